"""How the numbers of a place in a network come about, and why it is as it is: for a terminal, in markdown, as JSON."""
