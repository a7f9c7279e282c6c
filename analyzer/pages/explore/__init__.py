"""The page Explore: one network, its tables, its diagram and its latency."""
