"""Latency predicted without the device: kernels, a roofline for each, and a host term over all."""
