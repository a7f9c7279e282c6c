"""The kernel list of a mode: eager, compiled or a training step, with autocast's casts and changes of layout."""

from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.families.once import memoized_per_object
from analyzer.latency.fusion import compiled_kernels, compiles_to_channels_last
from analyzer.latency.kernels import Kernel, casts, eager_kernels, layout_changes, optimiser_kernels, training_kernels
from analyzer.latency.rates import Rates
from analyzer.latency.run_settings import RunSettings


@dataclass(frozen=True, slots=True, eq=False)
class Launched:
    """A mode's kernels in the rows' order; `nchw` tells the layout, `calls` how many torch starts one by one.

    A convolution's changes of layout are started by the same call as itself; compiled pointwise kernels by generated
    code, at a cost that does not count beside a call through torch.
    """

    kernels: tuple[Kernel, ...]
    nchw: bool
    calls: int


def launched(analysis: Analysis, run: RunSettings, rates: Rates) -> Launched:
    """The kernels of one forward pass or training step."""
    return _launched(analysis, run._replace(batch_size=1, cuda_graph=False), rates.gpu, rates.tensor)


@memoized_per_object
def _launched(analysis: Analysis, run: RunSettings, gpu: bool, tensor: bool) -> Launched:
    kernels = _plain(analysis, run, gpu)
    nchw = not run.channels_last
    if run.compiled:
        nchw = gpu and nchw and not compiles_to_channels_last(analysis)
    if run.autocast:
        kernels = [*casts(analysis, kernels), *kernels]
    calls = sum(1 for kernel in kernels if kernel.macs or not run.compiled)
    if nchw and gpu and tensor:
        kernels = [*kernels, *layout_changes(kernels)]
    if run.training:
        kernels = [*kernels, *optimiser_kernels(analysis, run.item_bytes)]
    return Launched(tuple(sorted(kernels, key=itemgetter(0))), nchw, calls)


def _plain(analysis: Analysis, run: RunSettings, gpu: bool) -> list[Kernel]:
    if run.training:
        return training_kernels(analysis)
    return compiled_kernels(analysis, on_cpu=not gpu) if run.compiled else eager_kernels(analysis)


class Repeated(NamedTuple):
    """A kernel that runs `times` times in a stage."""

    kernel: Kernel
    stage: str
    times: int


@memoized_per_object
def repeated(analysis: Analysis, found: Launched) -> tuple[Repeated, ...]:
    """The distinct kernels of each stage, which are few."""
    rows = analysis.rows
    counts = Counter([(rows[kernel.row].stage, kernel[1:]) for kernel in found.kernels])
    return tuple([Repeated(Kernel(0, *rest), stage, times) for (stage, rest), times in counts.items()])
