"""The closed form against every oracle that runs here: hooks, counters, torchvision's figures and its networks."""

from importlib.metadata import version

import torch
from torch import nn

from analyzer.cost.analysis import Analysis
from analyzer.cost.conventions import fvcore_by_operator
from analyzer.live import measure
from analyzer.live.build import build
from analyzer.live.checks import Check, Verification, entries, figure, silent
from analyzer.live.reference import reference_checks
from analyzer.ops import Shape

MAX_FVCORE_MACS = 10**11
"""fvcore runs the network for real: above this it is left out, lest the user wait or the memory run out."""

_TORCH = f"torch {torch.__version__}"
_FVCORE = f"fvcore {version('fvcore')}"


def verify(analysis: Analysis) -> Verification:
    """Build the analysed network and compare every closed-form figure with what it, other tools and torchvision show.

    The random state is left as found; the weights compared with are always the same.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        live = build(analysis.network)
        checks = (
            *_measured(analysis, build(analysis.network, device="meta")),
            *_fvcore(analysis, live),
            *reference_checks(analysis, live),
        )
    return Verification(variant=analysis.variant, input_shape=analysis.input_shape, checks=checks)


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


def _measured(analysis: Analysis, on_meta: nn.Module) -> list[Check]:
    shapes, params = measure.output_shapes(on_meta, analysis.input_shape), measure.num_params(on_meta)
    buffers, flops = measure.num_buffers(on_meta)[""], measure.torch_flops(on_meta, analysis.input_shape)
    return [
        entries("forward hooks", _TORCH, "output shape of every op, block, stage", described_shapes(analysis), shapes),
        entries("parameters()", _TORCH, "params of every op, block, stage", described_params(analysis), params),
        figure("parameters()", _TORCH, "params", analysis.params, params[""]),
        figure("buffers()", _TORCH, "buffers", analysis.totals.buffers, buffers),
        figure("FlopCounterMode", _TORCH, "FLOPs = 2 · MACs", analysis.flops, flops),
    ]


def _fvcore(analysis: Analysis, live: nn.Module) -> list[Check]:
    if analysis.macs > MAX_FVCORE_MACS:
        reason = f"left out: fvcore runs the network, and its {analysis.macs} MACs are over {MAX_FVCORE_MACS}"
        return [silent("fvcore", _FVCORE, "flops and activations", reason)]
    ours, theirs = fvcore_by_operator(analysis), measure.fvcore_flops(live, analysis.input_shape)
    activations = measure.fvcore_activations(live, analysis.input_shape)
    return [
        *(
            figure("fvcore", _FVCORE, f"flops: {operator}", ours.get(operator, 0), theirs.get(operator, 0))
            for operator in {**ours, **theirs}
        ),
        figure("fvcore", _FVCORE, "flops", sum(ours.values()), sum(theirs.values())),
        figure("fvcore", _FVCORE, "activations", analysis.activations, sum(activations.values())),
    ]
