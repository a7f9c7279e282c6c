"""Another library's own network of the same name, given the same weights: the reference that ours must reproduce."""

import copy
import re
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from analyzer.cost.analysis import Analysis, analyze
from analyzer.live.verify.checks import Check, entries_check, number_check, silent_check

TOOL = f"torchvision {torchvision.__version__}"
IMAGES = (2, 3, 64, 64)
"""Shape of the images that both networks are given: small, so that every network can be run forward and backward."""

FLOAT64_TOLERANCE = 1e-10
"""Of the largest magnitude, where the reference sums in another order; only in float64, where rounding is far below."""


class ReferenceNetwork(NamedTuple):
    """A library's network on `meta`; `rename` turns our weight names into its; `exact`: the same bits are expected.

    `why` says why they are not.
    """

    oracle: str
    tool: str
    net: nn.Module
    rename: Callable[[str], str]
    exact: bool = True
    why: str = "its classifier is a convolution"


def reference_checks(analysis: Analysis, live: nn.Module) -> list[Check]:
    """Published figures, state_dict, outputs, gradients, statistics; a silent row where a library has no such name.

    `live` is trained by one step's worth of statistics and gradients on the way.
    """
    return [*_torchvision(analysis, live), *_timm(analysis, live)]


def _torchvision(analysis: Analysis, live: nn.Module) -> list[Check]:
    if analysis.variant not in torchvision.models.list_models():
        return [silent_check("torchvision's network", TOOL, "all of it", "no such network in torchvision")]
    net = torchvision_network(analysis.variant)
    return [
        *_published(analysis),
        *compare_with_reference(live, ReferenceNetwork("torchvision's network", TOOL, net, str)),
    ]


class WeightsOnMeta(TorchFunctionMode):
    """Puts modules' weights on `meta`, and leaves alone what else is made: RegNet's builder computes with tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call torch's function, elsewhere where it makes weights."""
        device = {"device": "meta"} if func in (torch.empty, torch.zeros, torch.ones) else {}
        return func(*args, **{**(kwargs or {}), **device})


def torchvision_network(name: str) -> nn.Module:
    """Torchvision's network of that name, its weights on `meta`."""
    with WeightsOnMeta():
        return torchvision.models.get_model(name)  # type: ignore[no-any-return]


def _published(analysis: Analysis) -> list[Check]:
    weights = torchvision.models.get_model_weights(analysis.variant).DEFAULT
    meta, side = weights.meta, weights.transforms.keywords["crop_size"]
    cropped = analyze(analysis.network, side)
    return [
        number_check("published figures", TOOL, "num_params", analysis.params, meta["num_params"]),
        number_check(
            "published figures", TOOL, f"_ops: 10⁹ MACs at {side}×{side}", round(cropped.macs / 10**9, 3), meta["_ops"]
        ),
    ]


def _timm(analysis: Analysis, live: nn.Module) -> list[Check]:
    reason = _reason_without_timm(analysis)
    if reason:
        return [silent_check("timm's network", "timm", "all of it", reason)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # timm imports parts of torch that warn
        import timm
    tool, name = f"timm {timm.__version__}", TIMM_REGNETS.get(analysis.variant, analysis.variant)
    if name not in timm.list_models():
        return [silent_check("timm's network", tool, "all of it", "no such network in timm")]
    with WeightsOnMeta():
        net = timm.create_model(name)
    reference = ReferenceNetwork("timm's network", tool, net, str)
    if name.startswith("resnetv2"):
        reference = reference._replace(rename=timm_preactivation_name, exact=False)
    elif name != analysis.variant:
        reference = reference._replace(rename=timm_regnet_name, exact=False, why="its weights are in another order")
    return compare_with_reference(live, reference)


TIMM_REGNETS = {
    **{f"regnet_x_{name}": f"regnetx_{timm}" for name, timm in (("400mf", "004_tv"), ("800mf", "008"))},
    **{f"regnet_y_{name}": f"regnety_{timm}" for name, timm in (("400mf", "004"), ("800mf", "008_tv"))},
    **{f"regnet_x_{name}": f"regnetx_{timm}" for name, timm in (("1_6gf", "016"), ("3_2gf", "032"), ("8gf", "080"))},
    **{f"regnet_y_{name}": f"regnety_{timm}" for name, timm in (("1_6gf", "016"), ("3_2gf", "032"), ("8gf", "080_tv"))},
    **{f"regnet_{kind}_{size}gf": f"regnet{kind}_{size}0" for kind in "xy" for size in (16, 32)},
    "regnet_y_128gf": "regnety_1280",
}
"""Our RegNets, which are torchvision's → timm's, whose `_tv` networks are those that differ from the paper's."""


def _reason_without_timm(analysis: Analysis) -> str:
    """Why timm has no reference network; "" where it may have one."""
    if ":" in analysis.variant or "." in analysis.variant:
        return "no such network in timm"
    if analysis.network.family not in ("resnet", "densenet", "regnet"):
        return "timm writes the head as convolutions, so the weights do not fit"
    return "" if find_spec("timm") else "timm is not installed; install resnet-analyzer[oracles]"


def timm_preactivation_name(name: str) -> str:
    """Our weight name of a pre-activation network as timm's resnetv2 has it."""
    name = re.sub(r"^layer(\d+)\.(\d+)\.", lambda match: f"stages.{int(match[1]) - 1}.blocks.{match[2]}.", name)
    name = re.sub(r"\.bn(\d)\.", r".norm\1.", name).replace(".downsample.0.", ".downsample.conv.")
    return re.sub(r"^fc\.", "head.fc.", re.sub(r"^conv1\.", "stem.conv.", name))


def timm_regnet_name(name: str) -> str:
    """Our weight name of a RegNet as timm has it."""
    name = re.sub(
        r"^trunk_output\.block(\d+)\.block\d+-(\d+)\.", lambda match: f"s{match[1]}.b{int(match[2]) + 1}.", name
    )
    name = re.sub(r"\.f\.([abc])\.", lambda match: f".conv{'abc'.index(match[1]) + 1}.", name).replace(".f.se.", ".se.")
    name = re.sub(
        r"^(stem|.*\.(?:conv\d|proj))\.([01])\.", lambda match: f"{match[1]}.{('conv', 'bn')[int(match[2])]}.", name
    )
    return re.sub(r"^fc\.", "head.fc.", name.replace(".proj.", ".downsample."))


def compare_with_reference(live: nn.Module, reference: ReferenceNetwork) -> list[Check]:
    """State_dict, and where it is equal: outputs, gradients and statistics with the same weights."""
    theirs = reference.net.state_dict()
    ours = {
        reference.rename(name): _reshaped_weight(value, theirs, reference, name)
        for name, value in live.state_dict().items()
    }
    quantity = "state_dict: names, shapes" + (", order" if reference.exact else "")
    arrange: Callable[[Mapping[str, Tensor]], dict[Any, Any]] = layout if reference.exact else _shapes
    names = entries_check(reference.oracle, reference.tool, quantity, arrange(ours), arrange(theirs))
    return [names, *(_numeric_checks(live, reference, copy.deepcopy(ours)) if names.passed else [])]


def _reshaped_weight(value: Tensor, theirs: dict[str, Tensor], reference: ReferenceNetwork, name: str) -> Tensor:
    """A linear layer's weight in the shape of the 1×1 convolution that replaces it in the other network."""
    reference_weight = theirs.get(reference.rename(name))
    keep_shape = reference_weight is None or reference.exact or reference_weight.numel() != value.numel()
    return value if keep_shape or reference_weight is None else value.reshape(reference_weight.shape)


def layout(state: Mapping[str, Tensor]) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Position in a state_dict → name and shape there."""
    return {position: (name, tuple(value.shape)) for position, (name, value) in enumerate(state.items())}


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _numeric_checks(live: nn.Module, reference: ReferenceNetwork, weights: dict[str, Tensor]) -> list[Check]:
    reference.net.load_state_dict(weights, assign=True)
    nets = (live, reference.net) if reference.exact else (copy.deepcopy(live).double(), reference.net.double())
    images = torch.randn(IMAGES, dtype=next(nets[0].parameters()).dtype)
    evaluated = [_eval_outputs(net, images) for net in nets]
    direction = torch.randn_like(evaluated[0])
    ours, theirs = (_training_results(net, images, direction) for net in nets)
    first, second = ({"outputs": outputs} for outputs in evaluated)
    checks = [_tensors("outputs, evaluation mode", first, second, reference)]
    for part in ours:
        if ours[part]:
            renamed = {reference.rename(name): value for name, value in ours[part].items()}
            checks.append(_tensors(f"{part}, training mode", renamed, theirs[part], reference))
    return checks


def _eval_outputs(net: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        outputs: Tensor = net.eval()(images)
        return outputs


def _training_results(net: nn.Module, images: Tensor, direction: Tensor) -> dict[str, dict[str, Tensor]]:
    """Outputs, gradients and statistics after one forward and one backward pass with output gradient `direction`."""
    net.zero_grad()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout draws the same masks in both networks
        outputs = net.train()(images)
    outputs.backward(direction)
    return {
        "outputs": {"outputs": outputs.detach()},
        "gradients": {name: weight.grad for name, weight in net.named_parameters() if weight.grad is not None},
        "running statistics": dict(net.named_buffers()),
    }


def _tensors(quantity: str, ours: dict[str, Tensor], theirs: dict[str, Tensor], reference: ReferenceNetwork) -> Check:
    """The largest magnitude on either side and of the difference, which must be 0.0, the same bits, where `exact`."""
    same_names = ours.keys() == theirs.keys()
    pairs = [(ours[name].reshape(there.shape), there) for name, there in theirs.items()] if same_names else []
    difference = max((float((here - there).abs().max()) for here, there in pairs), key=_with_nan, default=float("nan"))
    all_close = all(_close(here, there) for here, there in pairs)
    return Check(
        oracle=reference.oracle,
        tool=reference.tool,
        quantity=f"{quantity}: largest magnitude",
        ours=_largest(ours),
        theirs=_largest(theirs),
        difference=difference,
        passed=same_names
        and (all(torch.equal(here, there) for here, there in pairs) if reference.exact else all_close),
        note="" if reference.exact else f"within {FLOAT64_TOLERANCE} of it, in float64: {reference.why}",
    )


def _with_nan(value: float) -> float:
    """A key that puts not-a-number above everything."""
    return float("inf") if value != value else value


def _close(here: Tensor, there: Tensor) -> bool:
    return bool((here - there).abs().max() <= FLOAT64_TOLERANCE * max(float(there.abs().max()), 1e-300))


def _largest(tensors: dict[str, Tensor]) -> float:
    return max(float(values.abs().max()) for values in tensors.values())
