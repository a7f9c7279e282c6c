"""A live module's facts as a baseline records them: parameters, buffers, MACs and output shapes."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Size
from analyzer.graph.ops import OPS, Shape, Weighted
from analyzer.live.network.build import build

Facts = dict[str, Any]
_COUNTED = tuple(op.__name__ for op in OPS if issubclass(op, Weighted))
"""Ops whose output elements are activations."""


def module_from_factory(name: str) -> nn.Module:
    """The module that `package.module:factory` makes or is; InvalidInput with one sentence where it does not.

    The current folder comes first in the search path, as it does for `python -m`.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise InvalidInput(f"--module {shortened(name)!r}: must be package.module:factory.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with _user_errors_as_invalid_input(f"--module {shortened(name)}: cannot be imported"):
        result: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            result = getattr(result, part)
    if isinstance(result, nn.Module):
        return result
    with _user_errors_as_invalid_input(f"--module {shortened(name)}: {attribute}() failed"):
        result = result()
    if not isinstance(result, nn.Module):
        raise InvalidInput(f"--module {shortened(name)}: gave {type(result).__name__}; it must be a torch.nn.Module.")
    return result


@contextmanager
def _user_errors_as_invalid_input(what: str) -> Iterator[None]:
    """Turn whatever a user's code raises into one sentence."""
    try:
        yield
    except Exception as error:
        raise InvalidInput(f"{what} ({type(error).__name__}: {shortened(error, 160)}).") from error


def input_shape(net: nn.Module, size: Size) -> tuple[int, int, int]:
    """(C, H, W) of an input of that size: channels are those of the module's first convolution, else 3."""
    convs = (module for module in net.modules() if isinstance(module, nn.Conv2d))
    height, width = size if isinstance(size, tuple) else (size, size)
    return next((conv.in_channels for conv in convs), 3), height, width


def module_facts(net: nn.Module, shape: Shape) -> Facts:
    """Facts of a module run once on zeros of that shape, batch 1, in evaluation mode; it is left as it was."""
    shapes, counter, output = _run(net, shape)
    own_macs = _own_macs(net, counter)
    modules = dict(net.named_modules())
    order = [*shapes, *(path for path in modules if path not in shapes)]
    return {
        "input_shape": _text(tuple(shape)),
        "output_shape": output,
        "params": sum(weight.numel() for weight in net.parameters()),
        "buffers": sum(buffer.numel() for buffer in net.buffers()),
        "macs": counter.get_total_flops() // 2,
        "modules": {path: _facts(modules[path], shapes.get(path, []), own_macs.get(path, 0)) for path in order if path},
    }


def _facts(module: nn.Module, shapes: list[str], macs: int) -> Facts:
    facts = {
        "kind": type(module).__name__,
        "output_shape": ", ".join(dict.fromkeys(shapes)),
        "params": sum(weight.numel() for weight in module.parameters(recurse=False)),
        "buffers": sum(buffer.numel() for buffer in module.buffers(recurse=False)),
        "macs": macs,
    }
    return {name: value for name, value in facts.items() if value}


def _run(net: nn.Module, shape: Shape) -> tuple[dict[str, list[str]], FlopCounterMode, str]:
    """Path → output shapes of every module that ran, in the order in which they finished; counts; the output."""
    shapes: dict[str, list[str]] = {}
    modes = {module: module.training for module in net.modules()}
    weight = next(net.parameters(), torch.zeros(0))
    hooks = [
        module.register_forward_hook(
            lambda _, __, output, path=path: shapes.setdefault(path, []).append(_shape_text(output))
        )
        for path, module in net.named_modules()
    ]
    try:
        net.eval()
        image = torch.zeros((1, *shape), device=weight.device, dtype=weight.dtype)
        user_errors = _user_errors_as_invalid_input(f"the module does not take {_text(tuple(shape))}")
        with user_errors, torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = _shape_text(net(image))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    return shapes, counter, output


def _shape_text(output: object) -> str:
    """A tensor's shape without the batch; those in a tuple or a dictionary; else the type's name."""
    if isinstance(output, Tensor):
        return _text(tuple(output.shape[1:]))
    if isinstance(output, dict):
        return "{" + "; ".join(f"{key}: {_shape_text(value)}" for key, value in output.items()) + "}"
    if isinstance(output, (tuple, list)):
        return "(" + "; ".join(map(_shape_text, output)) + ")"
    return type(output).__name__


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _own_macs(net: nn.Module, counter: FlopCounterMode) -> dict[str, int]:
    """Path → MACs of a module without those of the modules in it."""
    root = type(net).__name__
    total_macs = {
        "" if name == root else name.removeprefix(f"{root}."): sum(counts.values()) // 2
        for name, counts in counter.get_flop_counts().items()
        if name == root or name.startswith(f"{root}.")
    }
    own_macs = dict(total_macs)
    for path, macs in total_macs.items():
        parent = path.rpartition(".")[0]
        if path and parent in own_macs:
            own_macs[parent] -= macs
    return own_macs


class Departure(NamedTuple):
    """The first op at which a live network is not as described: its stage, weight path, and what it shows."""

    stage: str
    path: str
    shows: str


def live_facts(analysis: Analysis) -> tuple[Facts, Departure | None]:
    """The facts of a baseline, measured on the live network: hooks for shapes, its weights, torch's FLOP counter.

    The network is built on the `meta` device; fingerprint and op check sums are the description's and stand apart.
    """
    facts = module_facts(build(analysis.network, device="meta"), analysis.input_shape)
    return _by_stage(analysis, facts), next(_departures(analysis, facts["modules"]), None)


def _departures(analysis: Analysis, modules: Facts) -> Iterator[Departure]:
    for row in analysis.rows:
        described = {
            "output_shape": _text(row.output_shape),
            "params": row.params,
            "buffers": row.buffers,
            "macs": row.macs,
        }
        module = modules[row.path]
        differing = [name for name, value in described.items() if module.get(name, 0) != value]
        if differing:
            yield Departure(row.stage, row.path, f"{module['kind']}, {differing[0]} {module.get(differing[0], 0)}")


def _by_stage(analysis: Analysis, facts: Facts) -> Facts:
    stages: dict[str, Facts] = {}
    for row in analysis.rows:
        module = facts["modules"][row.path]
        stage = stages.setdefault(row.stage, {"output_shape": "", "params": 0, "macs": 0, "activations": 0})
        stage["output_shape"] = module["output_shape"]
        stage["params"] += module.get("params", 0)
        stage["macs"] += module.get("macs", 0)
        stage["activations"] += _elements(module["output_shape"]) if module["kind"] in _COUNTED else 0
    totals = {name: facts[name] for name in ("params", "macs")}
    return {**totals, "activations": sum(stage["activations"] for stage in stages.values()), "stages": stages}


def _elements(text: str) -> int:
    count = 1
    for side in text.split("x"):
        count *= int(side)
    return count
