"""What a sweep gives: fronts, summaries, nearest networks, and folders of rows."""
