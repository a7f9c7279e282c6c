"""Tests of analyzer.cli."""
