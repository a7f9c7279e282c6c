"""A network compared with the tools that count on live modules, and against other libraries."""
