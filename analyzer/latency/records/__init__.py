"""Measured latencies as data: every sample and every condition, read and written without torch."""
