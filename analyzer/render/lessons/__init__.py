"""The drawings and the arithmetic of the page's lessons."""
