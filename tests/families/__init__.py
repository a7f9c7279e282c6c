"""Tests of analyzer.families."""
