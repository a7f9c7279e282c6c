"""Statements that tutorials make about these networks, and whether they hold: every verdict is computed from Graphs."""
