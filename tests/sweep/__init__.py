"""Tests of analyzer.sweep."""
