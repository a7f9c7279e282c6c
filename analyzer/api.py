"""The public Python interface, gathered; heavy readings are imported when they are called."""

from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import Graph

__all__ = ["Analysis", "InvalidInput", "Unavailable", "analyze", "diagram"]

if TYPE_CHECKING:
    from analyzer.render.drawing import Drawing


def diagram(
    variant: "str | Spec | Graph | Network", level: str = "network", input_size: Size | None = None
) -> "Drawing":
    """Draw a network at level "network" or "block": with `.dot`, `.svg`, `.save("x.pdf")`, shown in notebooks.

    Raises InvalidInput as `analyze` does, and for an unknown level. torch is not needed.
    """
    from analyzer.render.drawing import drawing

    return drawing(analyze(variant, input_size), level)
