"""The page Learn: a chapter a file."""
