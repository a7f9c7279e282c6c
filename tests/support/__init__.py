"""Oracles, strategies and fakes that several tests share."""
