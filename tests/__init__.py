"""The tests: each names its oracle."""
