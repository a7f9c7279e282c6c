"""The number of the release, where every floor can read it."""

__version__ = "0.1.0"
