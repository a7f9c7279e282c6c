"""Networks side by side, and a network beside its baseline."""
