"""Tests of analyzer.cost."""
