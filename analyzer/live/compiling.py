"""torch.compile of a network for one shape, whole, and split at the stage borders."""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.split_module import split_module

from analyzer.errors import Unavailable


def compiled(net: Callable[..., Any]) -> Callable[..., Any]:
    """A network through torch.compile, for one shape; each has code of its own, which Dynamo's limit counts by."""

    def forward(*inputs: Tensor) -> Any:
        return net(*inputs)

    own = FunctionType(
        forward.__code__.replace(), forward.__globals__, "forward", forward.__defaults__, forward.__closure__
    )
    return torch.compile(own, dynamic=False)


def require_compiler(kind: str) -> None:
    """Unavailable where torch.compile lacks what it generates code with on that kind of device."""
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "gcc", "clang", "cc")), None)
    missing = "a C++ compiler (g++ or clang++)" if compiler is None else ""
    if kind == "cuda" and find_spec("triton") is None:
        missing = "triton"
    if missing:
        raise Unavailable(f"execution compiled: torch.compile needs {missing}, which this machine lacks.")


class Part(nn.Module):
    """A stage of a network, compiled by itself; hooks fire around it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self._run = compiled(part)

    def forward(self, *inputs: Tensor) -> Any:
        """What the stage gives."""
        return self._run(*inputs)


def compiled_parts(net: nn.Module, paths: tuple[str, ...]) -> tuple[nn.Module, tuple[str, ...]] | None:
    """The network as a chain of stages, each compiled by itself, and the stages' paths in it; None where it is none.

    `paths` are those of each stage's first module. The weights are the network's own.
    """
    traced = fx.symbolic_trace(net)
    stage_of = dict(_stages(traced, paths))
    if len(set(stage_of.values())) != len(paths):
        return None
    split = split_module(traced, net, lambda node: stage_of[node])
    names = tuple(f"submod_{index}" for index in range(len(paths)))
    for name in names:
        setattr(split, name, Part(split.get_submodule(name)))
    return split, names


def _stages(traced: fx.GraphModule, paths: tuple[str, ...]) -> Iterator[tuple[fx.Node, int]]:
    """Each node with the number of its stage: the next one begins at the first module of its path."""
    stage = 0
    for node in traced.graph.nodes:
        following = paths[stage + 1] if stage + 1 < len(paths) else None
        if following is not None and f"{node.target}.".startswith(f"{following}.") and node.op == "call_module":
            stage += 1
        yield node, stage
