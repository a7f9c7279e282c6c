"""Tests of analyzer.graph."""
