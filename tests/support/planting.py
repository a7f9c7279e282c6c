"""Blocks are built once for the same numbers: what a test that patches their builders must make forgotten."""

from analyzer.families import densenet
from analyzer.families import residual_block as residual


def forget_blocks() -> None:
    """Let every block be built anew."""
    residual._block.forget()  # type: ignore[attr-defined]
    densenet._dense_layer.forget()  # type: ignore[attr-defined]
    densenet._transition.forget()  # type: ignore[attr-defined]
