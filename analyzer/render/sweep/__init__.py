"""Design spaces as tables and charts."""
