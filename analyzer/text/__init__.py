"""Numbers and tables as text: what every other package needs to print a figure for people."""
