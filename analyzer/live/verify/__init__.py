"""A network held against the tools that count on live modules, and against other libraries."""
