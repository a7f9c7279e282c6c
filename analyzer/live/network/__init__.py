"""The live network: modules made from a Graph, and what they say of themselves."""
