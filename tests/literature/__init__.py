"""Tests of analyzer.literature."""
