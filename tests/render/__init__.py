"""Tests of analyzer.render."""
