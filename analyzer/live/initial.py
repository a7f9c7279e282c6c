"""Initial weights: torchvision's for each family, and residual blocks that start as their shortcuts."""

from collections.abc import Iterator

from torch import nn

from analyzer.families.aggregated import HOLDERS
from analyzer.families.spec import Initial
from analyzer.live import modules
from analyzer.live.modules import Subgraph


def initialise(net: nn.Module, initial: Initial) -> None:
    """Give every module of a net fresh weights: torch's own but for convolutions and linear layers."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            _start_conv(module, initial)
        elif isinstance(module, nn.Linear):
            _start_linear(module, initial)
        elif callable(reset := getattr(module, "reset_parameters", None)):
            reset()


def _start_conv(conv: nn.Conv2d, initial: Initial) -> None:
    if not initial.conv_fan:
        conv.reset_parameters()
        return
    if not initial.zero_conv_bias:
        conv.reset_parameters()
    nn.init.kaiming_normal_(conv.weight, mode=initial.conv_fan, nonlinearity="relu")  # type: ignore[arg-type]
    if conv.bias is not None and initial.zero_conv_bias:
        nn.init.zeros_(conv.bias)


def _start_linear(linear: nn.Linear, initial: Initial) -> None:
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
    """The last module with weights on the way to that value; a gate after it is passed over."""
    sources = {step.name: step.inputs for step in block.steps}
    while name in sources:
        module = block.get_submodule(name)
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            yield module
            return
        if isinstance(module, Subgraph) and module.kind in HOLDERS:
            yield from _last(module, module.steps[-1].name)
            return
        name = sources[name][0]
