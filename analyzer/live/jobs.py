"""Networks ready to be timed: in inference or a training step; eager, as a CUDA graph, or compiled."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.util import find_spec
from math import sqrt
from types import FunctionType

import torch
from torch import Tensor, nn

from analyzer.cost.analysis import Analysis
from analyzer.errors import Unavailable
from analyzer.latency.conditions import OutputCheck
from analyzer.latency.plan import Settings
from analyzer.latency.stages import stage_starts
from analyzer.live.build import build
from analyzer.live.devices import Captured, Device, Work
from analyzer.live.limits import Precision, precision_named

TRAINING_PARTS = ("forward", "backward", "optimizer")

CHECKED_IMAGES = 4
"""Images of a batch whose output is held against the reference; a network treats each image by itself."""

STATISTICS_IMAGES = 4
"""Images from which batch norm's running statistics are taken, so that 16-bit activations stay in range."""


def _nothing() -> None:
    """No border."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One network under one setting on its device, with its input: what is run, whole and part by part."""

    analysis: Analysis
    settings: Settings
    device: Device
    precision: Precision
    run: Callable[[], Tensor]
    run_parts: Callable[[], object] | None
    parts: tuple[str, ...]
    outputs: Callable[[], Tensor]
    reference: Tensor | None
    captured: Captured | None = field(default=None)

    def whole_ms(self, flushed: bool = False) -> float:
        """Latency of one batch, waited for; `flushed`: with the last cache written over before."""
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
        """Time a batch takes when so many are given without waiting."""
        self.device.mark()
        for _ in range(count):
            self.run()
        self.device.mark()
        return self.device.spans_ms()[0] / count

    def output_check(self) -> OutputCheck | None:
        """How far the output is from eager float32; None in training, whose step changes the weights."""
        if self.reference is None:
            return None
        output = self.outputs()[:CHECKED_IMAGES].double().cpu()
        error = float((output - self.reference).norm() / self.reference.norm())
        finite = error == error and error != float("inf")
        return OutputCheck(error=round(error, 9) if finite else None, bound=round(self._bound(), 9))

    def _bound(self) -> float:
        """Four roundings a layer of the coarsest type on the way, adding up at random."""
        coarsest = torch.finfo(self.precision.autocast or self.precision.dtype).eps
        if self.device.kind == "cuda" and torch.backends.cudnn.allow_tf32:
            coarsest = max(coarsest, torch.finfo(torch.float16).eps)  # TF32 has float16's mantissa
        return min(max(1e-4, 4 * coarsest * sqrt(self.analysis.depth)), 0.5)


def master(analysis: Analysis, device: Device) -> nn.Module:
    """A network in float32 in evaluation mode on its device, batch norm's statistics taken from random images."""
    net = build(analysis.network, device=device.place)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, and there is one
    with torch.no_grad():
        net(torch.randn(STATISTICS_IMAGES, *analysis.input_shape, device=device.place))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return net.eval()


def prepared(net: nn.Module, analysis: Analysis, settings: Settings, device: Device, images: Tensor) -> Job:
    """The job of one cell: `net` is a master, `images` a float32 batch in contiguous layout on the device."""
    precision = precision_named(settings.precision, device.kind)
    own = _fitted(net, settings, precision)
    batch = images.to(dtype=precision.dtype).contiguous(memory_format=_layout(settings))
    if settings.task == "training":
        return _training(own, analysis, settings, device, precision, batch)
    reference = _reference(net, images[:CHECKED_IMAGES], device)
    return _inference(own, analysis, settings, device, precision, batch, reference)


def _layout(settings: Settings) -> torch.memory_format:
    return torch.channels_last if settings.layout == "channels_last" else torch.contiguous_format


def _fitted(net: nn.Module, settings: Settings, precision: Precision) -> nn.Module:
    if settings.task == "inference" and precision.dtype == torch.float32 and settings.layout == "contiguous":
        return net
    own = deepcopy(net).to(dtype=precision.dtype)
    return own.to(memory_format=_layout(settings))


def _reference(net: nn.Module, images: Tensor, device: Device) -> Tensor:
    with torch.inference_mode(), device.tuned(cudnn_benchmark=False, tf32=False):
        return net(images).double().cpu()  # type: ignore[no-any-return]


def _autocast(device: Device, precision: Precision) -> AbstractContextManager[object]:
    if precision.autocast is None:
        return nullcontext()
    return torch.autocast(device.kind, dtype=precision.autocast)


def _inference(
    net: nn.Module,
    analysis: Analysis,
    settings: Settings,
    device: Device,
    precision: Precision,
    images: Tensor,
    reference: Tensor,
) -> Job:
    starts = stage_starts(analysis.network.graph)
    called = _compiled(net, device) if settings.execution == "compiled" else net

    def forward() -> Tensor:
        with torch.inference_mode(), _autocast(device, precision):
            output: Tensor = called(images)
        return output

    def split(border: Work) -> Tensor:
        with _borders(net, [path for _, path in starts], border):
            return forward()

    def marked() -> Tensor:
        return split(device.mark)

    splits = settings.execution != "compiled"
    job = Job(
        analysis=analysis,
        settings=settings,
        device=device,
        precision=precision,
        run=forward,
        run_parts=marked if splits else None,
        parts=tuple(stage for stage, _ in starts) if splits else (),
        outputs=forward,
        reference=reference,
    )
    return _captured(job, split, len(starts)) if settings.execution == "cuda_graph" else job


def _captured(job: Job, work: Callable[[Work], Tensor], num_parts: int) -> Job:
    captured = job.device.capture(work, num_parts)
    job.captured, job.run, job.outputs = captured, captured.run, captured.run
    job.run_parts = captured.run_parts if num_parts else None
    return job


def graph_of(job: Job) -> Captured:
    """An eager inference job's forward as one CUDA graph, not split; Unavailable where it cannot be made."""
    return job.device.capture(lambda _: job.run(), 0)


@contextmanager
def _borders(net: nn.Module, paths: list[str], border: Work) -> Iterator[None]:
    """`border` is called before each of these modules runs, while the context is open."""
    handles = [net.get_submodule(path).register_forward_pre_hook(lambda *_: border()) for path in paths]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _training(
    net: nn.Module, analysis: Analysis, settings: Settings, device: Device, precision: Precision, images: Tensor
) -> Job:
    """A step of timm's benchmark: forward, cross-entropy, backward, SGD with momentum 0.9; no gradient is scaled."""
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    called = _compiled(net, device) if settings.execution == "compiled" else net
    with torch.inference_mode(False):
        targets = torch.randint(analysis.rows[-1].output_shape[0], (len(images),), device=device.place)

    def step(border: Work = _nothing) -> Tensor:
        border()
        optimizer.zero_grad(set_to_none=True)
        with _autocast(device, precision):
            loss = nn.functional.cross_entropy(called(images), targets)
        border()
        loss.backward()  # type: ignore[no-untyped-call]
        border()
        optimizer.step()
        return loss.detach()

    job = Job(
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
    return _captured(job, lambda _: step(), 0)


def _compiled(net: nn.Module, device: Device) -> Callable[[Tensor], Tensor]:
    """A network through torch.compile, for one shape; each has code of its own, which Dynamo's limit counts by."""
    require_compiler(device.kind)

    def forward(images: Tensor) -> Tensor:
        output: Tensor = net(images)
        return output

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
