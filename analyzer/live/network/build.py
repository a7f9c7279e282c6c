"""The module fold: a Graph becomes nested torch modules with torchvision's weight names and order of operations."""

from collections.abc import Iterator
from typing import TypeVar, assert_never

import torch
from torch import nn

from analyzer.cost.tensor_lifetimes import in_place_nodes
from analyzer.errors import InvalidInput, Unavailable, shortened
from analyzer.families.network import Network, network
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Spec, WeightInitialisation
from analyzer.graph import ops
from analyzer.graph.graph import Graph
from analyzer.graph.ops import Op
from analyzer.graph.resnext_forms import INLINED_GRAPHS
from analyzer.live.network import modules
from analyzer.live.network.modules import GraphStep, Net, Subgraph


def initialise(net: nn.Module, initial: WeightInitialisation) -> None:
    """Give every module of a net fresh weights: torch's own but for convolutions and linear layers."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            _initialise_conv(module, initial)
        elif isinstance(module, nn.Linear):
            _initialise_linear(module, initial)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()


def _initialise_conv(conv: nn.Conv2d, initial: WeightInitialisation) -> None:
    if not initial.conv_fan:
        conv.reset_parameters()
        return
    if not initial.zero_conv_bias:
        conv.reset_parameters()
    nn.init.kaiming_normal_(conv.weight, mode=initial.conv_fan, nonlinearity="relu")  # type: ignore[arg-type]
    if conv.bias is not None and initial.zero_conv_bias:
        nn.init.zeros_(conv.bias)


def _initialise_linear(linear: nn.Linear, initial: WeightInitialisation) -> None:
    linear.reset_parameters()
    if initial.linear_std is not None:
        nn.init.normal_(linear.weight, 0, initial.linear_std)
    if initial.zero_linear_bias:
        nn.init.zeros_(linear.bias)


def zero_last(net: nn.Module) -> None:
    """Zero the last norm of every residual block's transform, or its last convolution where no norm follows it.

    Each such block then starts as its shortcut (Goyal et al. 2017, section 5.1; torchvision's zero_init_residual).
    """
    for last in transform_ends(net):
        for parameter in last.parameters():
            nn.init.zeros_(parameter)


def transform_ends(net: nn.Module) -> Iterator[nn.Module]:
    """The last norm of every residual block's transform, or its last convolution where no norm follows it."""
    for block in net.modules():
        if isinstance(block, Subgraph):
            adds = [step for step in block.steps if isinstance(block.get_submodule(step.name), modules.Add)]
            if adds:
                yield from _last(block, adds[-1].inputs[0])


def _last(block: Subgraph, name: str) -> Iterator[nn.Module]:
    """The last module with weights on the way to that value; a gate after it is skipped."""
    sources = {step.name: step.inputs for step in block.steps}
    while name in sources:
        module = block.get_submodule(name)
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            yield module
            return
        if isinstance(module, Subgraph) and module.kind in INLINED_GRAPHS:
            yield from _last(module, module.steps[-1].name)
            return
        name = sources[name][0]


_Module = TypeVar("_Module", bound=Subgraph)


def build(
    variant: str | Spec | Graph | Network,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    zero_init_residual: bool = False,
) -> Net:
    """Build a network in training mode, torchvision's in weight names, their order, arithmetic and initialisation.

    Takes (N, C, H, W) of any batch and size that fits; gives (N, classes); float32 where no dtype is given.
    Every stage, block and op is a module under its path in `analyze(variant).rows`, so forward hooks fire on each.
    With `zero_init_residual` each residual block starts as its shortcut: its last norm's scale is zero.
    Raises InvalidInput where `variant` is no network, Unavailable where this machine cannot use the device.
    """
    resolved = network(variant)
    net = _net(resolved.graph)
    net.to(dtype=_checked_dtype(dtype or torch.float32))
    torch_device = _checked_device(device)
    if torch_device.type != "meta":
        net.to_empty(device=torch_device)
        initialise(net, FAMILIES[resolved.family].initial if resolved.family in FAMILIES else WeightInitialisation())
        if zero_init_residual:
            zero_last(net)
    return net


def _checked_dtype(dtype: torch.dtype) -> torch.dtype:
    if not dtype.is_floating_point:
        raise InvalidInput(f"dtype {dtype}: a network's weights need a floating-point type.")
    return dtype


def _checked_device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = shortened(str(error).split(". ")[0], 120)
        raise Unavailable(f"device {shortened(device)!r} cannot be used on this machine: {reason}.") from None


def _net(graph: Graph) -> Net:
    steps = tuple(_steps(graph))
    return _add_nodes(
        Net(graph.kind, steps, num_feature_steps=_num_feature_nodes(graph), stage_ends=stage_ends(graph)), graph
    )


def _subgraph(graph: Graph) -> Subgraph:
    return _add_nodes(Subgraph(graph.kind, tuple(_steps(graph))), graph)


def _add_nodes(parent: _Module, graph: Graph) -> _Module:
    in_place = in_place_nodes(graph)
    for node in graph.nodes:
        module = _subgraph(node.op) if isinstance(node.op, Graph) else _leaf(node.op, node.name in in_place)
        _add_child(parent, node.name, module)
    return parent


def _num_feature_nodes(graph: Graph) -> int:
    """Number of nodes before the head's pool or Flatten; all of them where it has none, or reads anything else."""
    for index, node in enumerate(graph.nodes):
        if node.stage == "head" and isinstance(node.op, ops.Pool | ops.Flatten):
            rest = graph.nodes[index:]
            allowed = {node.inputs[0], *(later.name for later in rest)}
            if all(source in allowed for later in rest for source in later.inputs):
                return index
    return len(graph.nodes)


def stage_ends(graph: Graph, prefix: str = "", inherited: str = "") -> dict[str, str]:
    """Stage → path of the outermost module whose output is the stage's, in execution order."""
    ends: dict[str, str] = {}
    for node in graph.nodes:
        stage, path = node.stage or inherited, prefix + node.name
        inner = stage_ends(node.op, f"{path}.", stage) if isinstance(node.op, Graph) else {}
        ends |= inner if len(inner) > 1 else {stage: path}
    return {stage: path for stage, path in ends.items() if stage}


def _add_child(parent: Subgraph, name: str, module: nn.Module) -> None:
    try:
        parent.add_module(name, module)
    except KeyError:
        raise InvalidInput(f"graph {parent.kind}: node name {name!r} is taken by torch.nn.Module itself.") from None


def _steps(graph: Graph) -> Iterator[GraphStep]:
    last_use = {source: node.name for node in graph.nodes for source in node.inputs}
    for node in graph.nodes:
        last_uses = tuple(source for source in dict.fromkeys(node.inputs) if last_use[source] == node.name)
        yield GraphStep(node.name, node.inputs, last_uses)


def _leaf(op: Op, in_place: bool) -> nn.Module:
    """One op's module, its weights on `meta`."""
    match op:
        case ops.Conv2d():
            return _conv(op)
        case ops.BatchNorm2d():
            return nn.BatchNorm2d(op.channels, device="meta")
        case ops.Linear():
            return nn.Linear(op.in_features, op.out_features, device="meta")
        case ops.ReLU():
            return nn.ReLU(inplace=in_place)
        case ops.Sigmoid():
            return nn.Sigmoid()
        case ops.Dropout():
            return nn.Dropout()
        case ops.MaxPool2d():
            return nn.MaxPool2d(op.kernel, op.stride, op.padding)
        case ops.AvgPool2d():
            return nn.AvgPool2d(op.kernel, op.stride, ceil_mode=op.ceil_mode, count_include_pad=False)
        case ops.GlobalAvgPool2d():
            return nn.AdaptiveAvgPool2d(1)
        case ops.AdaptiveAvgPool2d():
            return nn.AdaptiveAvgPool2d(op.output_size)
        case ops.Flatten():
            return nn.Flatten()
        case ops.Add():
            return modules.Add(in_place)
        case ops.Concat():
            return modules.Concat()
        case ops.Multiply():
            return modules.Multiply()
        case ops.ZeroPadShortcut():
            return modules.ZeroPadShortcut(op.in_channels, op.out_channels, op.stride)
        case _:
            assert_never(op)


def _conv(op: ops.Conv2d) -> nn.Conv2d:
    return nn.Conv2d(
        op.in_channels,
        op.out_channels,
        op.kernel,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
        bias=op.bias,
        device="meta",
    )
