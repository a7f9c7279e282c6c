"""What a network is: ops, and the Graph that they form."""
