"""Tests of analyzer.baseline."""
