"""Tests of analyzer.explain."""
