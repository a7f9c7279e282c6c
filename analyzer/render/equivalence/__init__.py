"""Proofs and verifications as text."""
