"""Recorded latencies as data, without torch."""
