"""The tools that we are compared with: what a user of each writes, as a script and as calls in one process."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VARIANT = "resnet50"
SIDE = 224
DEEP = "resnet1202_cifar"
DEEP_SIDE = 32

_BUILD = """
import torch, torchvision
with torch.device("{device}"):
    network, image = torchvision.models.{variant}().eval(), torch.zeros(1, 3, {side}, {side})
"""
_UNCHANGED = """
def ready(network, image):
    return network, image
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool: the packages that it needs, its network's device, and code that defines `count`.

    `count` takes the result of `ready` for a network and an image, by default these two, and returns the counts. `show`
    prints as the tool's documentation does; by default the counts. `deep`: it takes a network of 1,202 layers.
    """

    name: str
    packages: tuple[str, ...]
    count: str
    ready: str = _UNCHANGED
    show: str = "print(count(*ready(network, image)))"
    device: str = "meta"
    deep: bool = True

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(package for package in self.packages if importlib.util.find_spec(package) is None)

    @property
    def script(self) -> str:
        """The whole script: build the network, count, print."""
        build = _BUILD.format(device=self.device, variant=VARIANT, side=SIDE)
        return f"{build}{self.ready}{self.count}\n{self.show}\n"

    def functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """(`ready`, `count`), its imports done."""
        names: dict[str, Any] = {}
        exec(f"import torch\n{self.ready}{self.count}", names)
        return names["ready"], names["count"]


PEERS = (
    Peer(
        name="torchinfo",
        packages=("torchinfo",),
        count="""
import torchinfo
def count(network, image):
    return torchinfo.summary(network, input_data=image, device=image.device.type, verbose=0)
""",
    ),
    Peer(
        name="fvcore",
        packages=("fvcore",),
        device="cpu",
        count="""
from fvcore.nn import FlopCountAnalysis, flop_count_table
def count(network, image):
    counts = FlopCountAnalysis(network, image).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    return counts.by_module()
""",
        show="print(flop_count_table(FlopCountAnalysis(network, image), max_depth=4))",
    ),
    Peer(
        name="ptflops",
        packages=("ptflops",),
        count="""
from ptflops import get_model_complexity_info
def count(network, image):
    shape = tuple(image.shape[1:])
    return get_model_complexity_info(network, shape, as_strings=False, print_per_layer_stat=False)
""",
        show="print(get_model_complexity_info(network, tuple(image.shape[1:])))",
    ),
    Peer(
        name="thop",
        packages=("thop",),
        count="""
import thop
def count(network, image):
    return thop.profile(network, inputs=(image,), verbose=False)
""",
    ),
    Peer(
        name="FlopCounterMode",
        packages=("torch",),
        count="""
from torch.utils.flop_counter import FlopCounterMode
def count(network, image):
    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_flop_counts()
""",
        show="""
with FlopCounterMode(depth=4):
    network(image)
""",
    ),
    Peer(
        name="onnx-tool",
        packages=("onnx_tool", "onnxscript"),
        device="cpu",
        ready="""
import onnx
def ready(network, image):
    torch.onnx.export(network, (image,), "network.onnx", verbose=False)
    return (onnx.load("network.onnx"),)
""",
        count="""
import onnx_tool
def count(network):
    return onnx_tool.model_profile(network)
""",
        deep=False,
    ),
)
"""Each on the meta device, which computes nothing, where it works there."""
