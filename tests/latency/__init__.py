"""Tests of analyzer.latency."""
