"""The page Design space."""
