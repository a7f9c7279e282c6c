"""Blocks are built once for the same numbers: what a test that patches their builders must make forgotten."""

from analyzer.families import densenet, residual


def forget_blocks() -> None:
    """Let every block be built anew."""
    residual.residual_block.cache_clear()
    densenet._dense_layer.cache_clear()
    densenet._transition.cache_clear()
