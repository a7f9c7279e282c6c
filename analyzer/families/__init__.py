"""Families of networks: functions from a few numbers to a Graph, and the names of their variants."""
