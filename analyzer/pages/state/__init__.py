"""What the page remembers: its address, its history, the values of its widgets, its style."""
