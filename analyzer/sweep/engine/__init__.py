"""Figures of many candidates at once: tables by axis, gathered and summed."""
