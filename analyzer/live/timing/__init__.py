"""Latency measured: devices, sessions and samples."""
