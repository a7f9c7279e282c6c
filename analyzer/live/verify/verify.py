"""The closed form against every oracle that runs here: hooks, counters, torchvision's figures and its networks."""

from importlib.metadata import version

import torch
from torch import nn

from analyzer.cost.analysis import Analysis
from analyzer.cost.training import training
from analyzer.graph.ops import Conv2d, Shape
from analyzer.literature.counting_rules import fvcore_by_operator
from analyzer.live.network.build import build
from analyzer.live.verify import meters
from analyzer.live.verify.checks import Check, Verification, entries_check, number_check, silent_check, unjudged_check
from analyzer.live.verify.reference_networks import layout, reference_checks

MAX_FVCORE_MACS = 10**11
"""fvcore runs the network for real: above this it is left out, lest the user wait or the memory run out."""

_TORCH = f"torch {torch.__version__}"
_FVCORE = f"fvcore {version('fvcore')}"


def verify(analysis: Analysis, net: nn.Module | None = None) -> Verification:
    """Build the analysed network and compare every closed-form figure with its own, other tools' and torchvision's.

    With `net`, that network is measured in place of ours, and its state_dict compared with ours; it is left as it was:
    modes, hooks, weights, gradients, buffers. The random state is left as it was; our weights are always the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        checks = _described_network_checks(analysis) if net is None else _own_module_checks(analysis, net)
    return Verification(variant=analysis.variant, input_shape=analysis.input_shape, checks=tuple(checks))


def _described_network_checks(analysis: Analysis) -> list[Check]:
    live, on_meta = build(analysis.network), build(analysis.network, device="meta")
    return [
        *_described_checks(analysis, on_meta),
        *_training_checks(analysis, on_meta),
        *_memory_checks(analysis, live, on_meta),
        *_fvcore(analysis, live),
        *reference_checks(analysis, live),
    ]


def _own_module_checks(analysis: Analysis, net: nn.Module) -> list[Check]:
    """The checks of a user's own network; its modules need not be ours, so shapes are compared at common paths."""
    shapes, params = meters.output_shapes(net, analysis.input_shape), meters.num_params(net)
    described = described_shapes(analysis)
    common = {path: shape for path, shape in described.items() if path in shapes}
    measured = {path: shape for path, shape in shapes.items() if path in described}
    quantity = f"output shape of the {len(common)} modules that stand where ours do"
    ours, theirs = layout(build(analysis.network, device="meta").state_dict()), layout(net.state_dict())
    return [
        number_check("parameters()", _TORCH, "params", analysis.params, params[""]),
        entries_check("state_dict", _TORCH, "names, shapes, order", ours, theirs),
        entries_check("forward hooks", _TORCH, quantity, common, measured),
        number_check(
            "FlopCounterMode",
            _TORCH,
            "FLOPs = 2 · MACs",
            analysis.flops,
            meters.torch_flops(net, analysis.input_shape),
        ),
        *_training_checks(analysis, net),
        *_fvcore(analysis, net),
    ]


def _training_checks(analysis: Analysis, net: nn.Module) -> list[Check]:
    """Forward and backward MACs; torch's own counter multiplies a grouped weight gradient by its groups."""
    costs = training(analysis)
    grouped_flops = meters.training_flops(net, analysis.input_shape, grouped=True)
    torch_flops = meters.training_flops(net, analysis.input_shape)
    overcount = sum((row.operation.groups - 1) * row.macs for row in analysis.rows if isinstance(row.operation, Conv2d))
    return [
        number_check("backward counter", _TORCH, "training FLOPs, groups counted once", 2 * costs.macs, grouped_flops),
        number_check(
            "FlopCounterMode",
            _TORCH,
            "training FLOPs by its rule for groups",
            2 * (costs.macs + overcount),
            torch_flops,
        ),
    ]


def _memory_checks(analysis: Analysis, live: nn.Module, on_meta: nn.Module) -> list[Check]:
    """Memory: storages as torch's dispatcher allocates them, to the byte; allocators' peaks beside them, not judged."""
    shape, peak = analysis.input_shape, analysis.memory().peak_bytes
    stored = analysis.transfer(batch_size=2).stored_bytes  # one image may leave batch norm a single number
    saved = meters.stored_bytes(on_meta, shape, 2)
    checks = [number_check("saved tensors", _TORCH, "bytes kept for the backward pass of 2 images", stored, saved)]
    if analysis.macs > MAX_FVCORE_MACS:
        return [*checks, silent_check("allocation meter", _TORCH, "peak activation bytes", _too_large(analysis, "it"))]
    metered, allocated = meters.peak_activation_bytes(live, shape), meters.allocator_peak_bytes(live, shape)
    return [
        *checks,
        number_check("allocation meter", _TORCH, "peak activation bytes", peak, metered),
        unjudged_check("CPU allocator", _TORCH, "peak activation bytes", peak, allocated, _SCRATCH),
        _on_cuda(analysis, live, peak),
    ]


_SCRATCH = "kernels' scratch space and reordered weights come on top"


def _on_cuda(analysis: Analysis, live: nn.Module, peak: int) -> Check:
    if not torch.cuda.is_available():
        return silent_check("max_memory_allocated", _TORCH, "peak activation bytes", "this machine has no CUDA device")
    measured = meters.cuda_peak_bytes(live.to("cuda"), analysis.input_shape)
    live.to("cpu")
    note = "storages are rounded up to 512 bytes, and cuDNN's work space comes on top"
    return unjudged_check("max_memory_allocated", _TORCH, "peak activation bytes", peak, measured, note)


def described_shapes(analysis: Analysis) -> dict[str, Shape]:
    """Path to output shape of every op, block and stage by the closed form; "" is the network itself."""
    shapes = {row.path: row.output_shape for row in analysis.rows}
    shapes |= {span.path: analysis.rows[span.stop - 1].output_shape for span in analysis.spans}
    return shapes | {"": analysis.totals.output_shape}


def described_params(analysis: Analysis) -> dict[str, int]:
    """Path to learned numbers of every op, block and stage by the closed form; "" is the network itself."""
    params = {row.path: row.params for row in analysis.rows}
    for span in analysis.spans:
        params[span.path] = sum(row.params for row in analysis.rows[span.start : span.stop])
    return params | {"": analysis.params}


def _described_checks(analysis: Analysis, on_meta: nn.Module) -> list[Check]:
    shapes, params = meters.output_shapes(on_meta, analysis.input_shape), meters.num_params(on_meta)
    buffers, flops = meters.num_buffers(on_meta)[""], meters.torch_flops(on_meta, analysis.input_shape)
    return [
        entries_check(
            "forward hooks", _TORCH, "output shape of every op, block, stage", described_shapes(analysis), shapes
        ),
        entries_check("parameters()", _TORCH, "params of every op, block, stage", described_params(analysis), params),
        number_check("parameters()", _TORCH, "params", analysis.params, params[""]),
        number_check("buffers()", _TORCH, "buffers", analysis.totals.buffers, buffers),
        number_check("FlopCounterMode", _TORCH, "FLOPs = 2 · MACs", analysis.flops, flops),
    ]


def _too_large(analysis: Analysis, what: str) -> str:
    return f"left out: {what} runs the network, and its {analysis.macs} MACs are over {MAX_FVCORE_MACS}"


def _fvcore(analysis: Analysis, live: nn.Module) -> list[Check]:
    if analysis.macs > MAX_FVCORE_MACS:
        return [silent_check("fvcore", _FVCORE, "flops and activations", _too_large(analysis, "fvcore"))]
    ours, theirs = fvcore_by_operator(analysis), meters.fvcore_flops(live, analysis.input_shape)
    activations = meters.fvcore_activations(live, analysis.input_shape)
    return [
        *(
            number_check("fvcore", _FVCORE, f"flops: {operator}", ours.get(operator, 0), theirs.get(operator, 0))
            for operator in {**ours, **theirs}
        ),
        number_check("fvcore", _FVCORE, "flops", sum(ours.values()), sum(theirs.values())),
        number_check("fvcore", _FVCORE, "activations", analysis.activations, sum(activations.values())),
    ]
