"""Tests of analyzer.explanation."""
