"""The page Compare: networks side by side, and all named variants."""
