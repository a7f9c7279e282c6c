"""Latencies as tables and pictures: measured and predicted, never mixed."""
