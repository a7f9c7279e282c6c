"""A design space: its axes and expressions, as TOML and as candidates."""
