"""Tests of analyzer.live."""
