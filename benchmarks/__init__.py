"""How fast the analyzer is beside other tools."""
