"""Networks ready to be timed: in inference or a training step; eager, as a CUDA graph, or compiled."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import FunctionType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.split_module import split_module

from analyzer.cost.analysis import Analysis
from analyzer.errors import Unavailable
from analyzer.latency.records.conditions import OutputCheck
from analyzer.latency.run_settings import RunSettings
from analyzer.live.network.build import build, transform_ends
from analyzer.live.timing.devices import CapturedWork, TimingDevice, Work
from analyzer.live.timing.limits import Precision, precision_named, stage_starts

TRAINING_PARTS = ("forward", "backward", "optimizer")
CHECKED_IMAGES = 4
"""Images of a batch whose output is compared with the reference; a network treats each image by itself."""
STATISTICS_IMAGES = 4
"""Images from which batch norm's running statistics are taken, so that 16-bit activations stay in range."""
MAX_RANDOM_IMAGES = 64
"""Images drawn at a time in the host's memory, which may be smaller than the device's; a multiple of 16 draws the
same numbers as all at a time."""
TRANSFORM_SCALE = 0.25
"""Of each transform beside its shortcut: random residual networks magnify roundings, those of trained ones fade."""
MAX_ERROR_BOUND = 0.5
"""Bound from which another function could pass, so that no bound is stated."""
SMALL_CHANGE = 1e-3
"""Relative change of the input by which a network's sensitivity is measured."""


def compile_network(net: Callable[..., Any]) -> Callable[..., Any]:
    """A network through torch.compile, for one shape; each has code of its own, which Dynamo's limit counts by."""

    def forward(*inputs: Tensor) -> Any:
        return net(*inputs)

    own_function = FunctionType(
        forward.__code__.replace(), forward.__globals__, "forward", forward.__defaults__, forward.__closure__
    )
    return torch.compile(own_function, dynamic=False)


def require_compiler(kind: str) -> None:
    """Unavailable where torch.compile lacks what it generates code with on that kind of device."""
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++", "gcc", "clang", "cc")), None)
    missing = "a C++ compiler (g++ or clang++)" if compiler is None else ""
    if kind == "cuda" and find_spec("triton") is None:
        missing = "triton"
    if missing:
        raise Unavailable(f"execution compiled: torch.compile needs {missing}, which this machine lacks.")


class CompiledStage(nn.Module):
    """A stage of a network, compiled separately; hooks fire around it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self._run = compile_network(part)

    def forward(self, *inputs: Tensor) -> Any:
        """The stage's output."""
        return self._run(*inputs)


def compile_stages(net: nn.Module, paths: tuple[str, ...]) -> tuple[nn.Module, tuple[str, ...]] | None:
    """The network as a chain of stages, each compiled separately, and their paths in it; None where it is no chain.

    `paths` are those of each stage's first module. The weights are the network's own.
    """
    traced = fx.symbolic_trace(net)
    stage_of = dict(_stages(traced, paths))
    if len(set(stage_of.values())) != len(paths):
        return None
    split = split_module(traced, net, lambda node: stage_of[node])
    names = tuple(f"submod_{index}" for index in range(len(paths)))
    for name in names:
        setattr(split, name, CompiledStage(split.get_submodule(name)))
    return split, names


def _stages(traced: fx.GraphModule, paths: tuple[str, ...]) -> Iterator[tuple[fx.Node, int]]:
    """Each node with the number of its stage: the next one begins at the first module of its path."""
    stage = 0
    for node in traced.graph.nodes:
        following = paths[stage + 1] if stage + 1 < len(paths) else None
        if following is not None and f"{node.target}.".startswith(f"{following}.") and node.op == "call_module":
            stage += 1
        yield node, stage


def _no_border() -> None:
    """No border."""


@dataclass(slots=True, kw_only=True)
class TimedRun:
    """One network with its settings, device and input: the functions that run it, whole and part by part."""

    analysis: Analysis
    settings: RunSettings
    device: TimingDevice
    precision: Precision
    run: Callable[[], Tensor]
    run_parts: Callable[[], object] | None
    parts: tuple[str, ...]
    outputs: Callable[[], Tensor]
    reference: "ReferenceOutput | None"
    captured: CapturedWork | None = field(default=None)

    def whole_ms(self, flushed: bool = False) -> float:
        """Latency of one batch, with waiting for its end; `flushed`: with the last cache overwritten before."""
        if flushed:
            self.device.flush()
        self.device.mark()
        self.run()
        self.device.mark()
        return self.device.spans_ms()[0]

    def parts_ms(self, flushed: bool = False) -> list[float]:
        """Latency of each part in one run, in the order of `parts`."""
        if flushed:
            self.device.flush()
        assert self.run_parts is not None
        self.run_parts()
        self.device.mark()
        return self.device.spans_ms()

    def queued_ms(self, count: int) -> float:
        """Time a batch when `count` of them are queued without waiting."""
        self.device.mark()
        for _ in range(count):
            self.run()
        self.device.mark()
        return self.device.spans_ms()[0] / count

    def output_check(self) -> OutputCheck | None:
        """How far the output is from eager float32; None in training, whose step changes the weights."""
        if self.reference is None:
            return None
        error = _distance(self.outputs()[:CHECKED_IMAGES].double().cpu(), self.reference.output)
        finite = error == error and error != float("inf")
        bound = self._bound(self.reference.sensitivity)
        return OutputCheck(
            error=round(error, 9) if finite else None, bound=round(bound, 9) if bound < MAX_ERROR_BOUND else None
        )

    def _bound(self, sensitivity: float) -> float:
        """Three roundings of the coarsest type on the way, as the network magnifies a change of its input.

        One suffices in all networks measured: later roundings are magnified less, and add to the input's at random.
        """
        coarsest = torch.finfo(self.precision.autocast or self.precision.dtype).eps
        if self.device.kind == "cuda" and torch.backends.cudnn.allow_tf32:
            coarsest = max(coarsest, torch.finfo(torch.float16).eps)  # TF32 has float16's mantissa
        return max(1e-4, 3 * coarsest * max(1.0, sensitivity))


class ReferenceOutput(NamedTuple):
    """Eager float32's output, and how many times larger a small change of the input is in the output."""

    output: Tensor
    sensitivity: float


def _distance(output: Tensor, reference: Tensor) -> float:
    return float((output - reference).norm() / reference.norm())


def master_network(analysis: Analysis, device: TimingDevice) -> nn.Module:
    """A network in float32 in evaluation mode on its device, batch norm's statistics taken from random images."""
    net = build(analysis.network, device=device.torch_device)
    with torch.no_grad():
        for last in transform_ends(net):
            cast(Tensor, last.weight).mul_(TRANSFORM_SCALE)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, and there is one
    with torch.no_grad():
        net(random_images(STATISTICS_IMAGES, analysis, device))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return net.eval()


def random_images(count: int, analysis: Analysis, device: TimingDevice) -> Tensor:
    """Random normal images on the device, the same on every machine; too many fail before any is drawn."""
    generator = torch.Generator().manual_seed(2015)
    images = torch.empty(count, *analysis.input_shape, device=device.torch_device)
    for chunk in torch.split(images, MAX_RANDOM_IMAGES):
        chunk.copy_(torch.randn(chunk.shape, generator=generator))
    return images


def prepare_timed_run(
    net: nn.Module,
    analysis: Analysis,
    settings: RunSettings,
    device: TimingDevice,
    images: Tensor,
    *,
    stages: bool = True,
) -> TimedRun:
    """The timed run of one cell: `net` is a master, `images` a float32 batch in contiguous layout on the device."""
    precision = precision_named(settings.precision, device.kind)
    converted = _converted_module(net, settings, precision)
    batch = images.to(dtype=precision.dtype).contiguous(memory_format=_layout(settings))
    if settings.task == "training":
        return _training(converted, analysis, settings, device, batch)
    reference = _reference(net, images[:CHECKED_IMAGES], device)
    job = _inference(converted, analysis, settings, device, batch, stages)
    job.reference = reference
    return job


def _layout(settings: RunSettings) -> torch.memory_format:
    return torch.channels_last if settings.layout == "channels_last" else torch.contiguous_format


def _converted_module(net: nn.Module, settings: RunSettings, precision: Precision) -> nn.Module:
    if settings.task == "inference" and precision.dtype == torch.float32 and settings.layout == "contiguous":
        return net
    converted = deepcopy(net).to(dtype=precision.dtype)
    return converted.to(memory_format=_layout(settings))


def _reference(net: nn.Module, images: Tensor, device: TimingDevice) -> ReferenceOutput:
    change = SMALL_CHANGE * images.flip(-1)  # as large everywhere as the image, and unlike it
    with torch.inference_mode(), device.tuning(cudnn_benchmark=False, tf32=False):
        output, changed = net(images).double().cpu(), net(images + change).double().cpu()
    return ReferenceOutput(output, _distance(changed, output) / SMALL_CHANGE)


def _autocast(device: TimingDevice, precision: Precision) -> AbstractContextManager[object]:
    if precision.autocast is None:
        return nullcontext()
    return torch.autocast(device.kind, dtype=precision.autocast)


def _inference(
    net: nn.Module, analysis: Analysis, settings: RunSettings, device: TimingDevice, images: Tensor, stages: bool
) -> TimedRun:
    precision = precision_named(settings.precision, device.kind)
    starts = stage_starts(analysis.network.graph) if stages else ()
    whole, chain, part_paths = _callables(net, settings, tuple(path for _, path in starts))

    def forward(network: Callable[[Tensor], Tensor] = whole) -> Tensor:
        with torch.inference_mode(), _autocast(device, precision):
            return network(images)

    def split(border: Work) -> Tensor:
        with _part_hooks(chain, part_paths, border):
            return forward(chain)

    job = TimedRun(
        analysis=analysis,
        settings=settings,
        device=device,
        precision=precision,
        run=forward,
        run_parts=(lambda: split(device.mark)) if part_paths else None,
        parts=tuple(stage for stage, _ in starts) if part_paths else (),
        outputs=forward,
        reference=None,
    )
    return _capture_run(job, split, len(part_paths)) if settings.execution == "cuda_graph" else job


def _callables(
    net: nn.Module, settings: RunSettings, paths: tuple[str, ...]
) -> tuple[Callable[[Tensor], Tensor], nn.Module, tuple[str, ...]]:
    """The network to run whole, the one to run in parts, and the paths of the modules with which its parts begin."""
    if settings.execution != "compiled":
        return net, net, paths
    chain, part_paths = (compile_stages(net, paths) if paths else None) or (net, ())
    return compile_network(net), chain, part_paths


def _capture_run(job: TimedRun, work: Callable[[Work], Tensor], num_parts: int) -> TimedRun:
    captured = job.device.capture(work, num_parts)
    job.captured, job.run, job.outputs = captured, captured.run, captured.run
    job.run_parts = captured.run_parts if num_parts else None
    return job


def capture_forward(job: TimedRun) -> CapturedWork:
    """An eager inference job's forward as one CUDA graph, not split; Unavailable where it cannot be made."""
    return job.device.capture(lambda _: job.run(), 0)


@contextmanager
def _part_hooks(net: nn.Module, paths: tuple[str, ...], border: Work) -> Iterator[None]:
    """`border` is called before each of these modules runs, while the context is open."""
    handles = [net.get_submodule(path).register_forward_pre_hook(lambda *_: border()) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _training(
    net: nn.Module, analysis: Analysis, settings: RunSettings, device: TimingDevice, images: Tensor
) -> TimedRun:
    """A step of timm's benchmark: forward, cross-entropy, backward, SGD with momentum 0.9; no gradient is scaled."""
    precision = precision_named(settings.precision, device.kind)
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    network = compile_network(net) if settings.execution == "compiled" else net
    with torch.inference_mode(False):
        targets = torch.arange(len(images), device=device.torch_device) % analysis.rows[-1].output_shape[0]

    def step(border: Work = _no_border) -> Tensor:
        border()
        optimizer.zero_grad(set_to_none=True)
        with _autocast(device, precision):
            loss = nn.functional.cross_entropy(network(images), targets)
        border()
        loss.backward()  # type: ignore[no-untyped-call]
        border()
        optimizer.step()
        return loss.detach()

    job = TimedRun(
        analysis=analysis,
        settings=settings,
        device=device,
        precision=precision,
        run=step,
        run_parts=lambda: step(device.mark),
        parts=TRAINING_PARTS,
        outputs=step,
        reference=None,
    )
    if settings.execution != "cuda_graph":
        return job
    job.parts = ()
    return _capture_run(job, lambda _: step(), 0)
