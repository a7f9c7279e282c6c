"""Blocks are built once for the same numbers: the caches that a test that patches their builders must clear."""

from analyzer.families import densenet
from analyzer.families import residual_block as residual


def forget_blocks() -> None:
    """Clear those caches, so that every block is built anew."""
    residual._block.forget()
    densenet._dense_layer.forget()
    densenet._transition.forget()
