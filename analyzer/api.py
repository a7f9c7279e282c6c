"""The public Python interface, gathered; heavy readings are imported when they are called."""

from typing import TYPE_CHECKING

from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import Graph
from analyzer.live import live_imports

if TYPE_CHECKING:
    import torch

    from analyzer.render.drawing import Drawing

__all__ = ["Analysis", "InvalidInput", "Unavailable", "analyze", "build", "diagram"]


def diagram(
    variant: "str | Spec | Graph | Network", level: str = "network", input_size: Size | None = None
) -> "Drawing":
    """Draw a network at level "network" or "block": with `.dot`, `.svg`, `.save("x.pdf")`, shown in notebooks.

    Raises InvalidInput as `analyze` does, and for an unknown level. torch is not needed.
    """
    from analyzer.render.drawing import drawing

    return drawing(analyze(variant, input_size), level)


def build(
    variant: str | Spec | Graph | Network, *, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
) -> "torch.nn.Module":
    """Build a live network with torchvision's weight names, in training mode; float32 on the CPU unless told otherwise.

    Takes (N, C, H, W) of any batch and size that fits; gives (N, classes). Every stage, block and op is a module under
    its path in `analyze(variant).rows`. Raises InvalidInput where `variant` is no network, and Unavailable where torch
    or the device is missing.
    """
    with live_imports():
        from analyzer.live.build import build as build_live
    return build_live(variant, device=device, dtype=dtype)
