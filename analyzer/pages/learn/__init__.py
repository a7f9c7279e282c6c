"""The page Learn: each chapter has a file of its own."""
