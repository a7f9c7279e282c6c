"""The public Python interface, gathered; heavy readings are imported when they are called."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from analyzer.cost.analysis import Analysis
from analyzer.cost.analysis import analyze as analyzed
from analyzer.errors import InvalidInput, Unavailable
from analyzer.extras import extra_imports
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph
from analyzer.render.report.notebook import NotebookAnalysis

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from analyzer.latency.predict.devices import Device
    from analyzer.latency.predict.prediction import Prediction
    from analyzer.latency.predict.target import LatencyTarget
    from analyzer.latency.records.record import LatencyRecord
    from analyzer.literature.reconcile import Reconciliation
    from analyzer.live.equivalence.proof import Proof
    from analyzer.live.network.modules import Net
    from analyzer.live.verify.checks import Verification
    from analyzer.live.weights.load import LoadedWeights
    from analyzer.render.compare.compare import NetworkComparison
    from analyzer.render.diagram.drawing import Drawing
    from analyzer.render.explain.explain import Explained

__all__ = [
    "Analysis",
    "InvalidInput",
    "Unavailable",
    "analyze",
    "build",
    "check_equivalence",
    "compare",
    "devices",
    "diagram",
    "explain",
    "load_weights",
    "measure_latency",
    "predict_latency",
    "reconcile",
    "save_weights",
    "verify",
]


def analyze(variant: str | Spec | Graph | Network, input_size: Size | None = None) -> Analysis:
    """Analyse a variant expression, a Spec or a Graph at an input size in pixels (a side, or (height, width)).

    Without a size the variant's own default is taken (224, or 32 for CIFAR nets). Closed form: torch is not needed.
    In a notebook the analysis shows its stage table, and `print` writes it. Raises InvalidInput for an unknown name, a
    bad field, an impossible network or a size that does not fit.
    """
    return NotebookAnalysis.of(variant, input_size)


def compare(
    *variants: str | Spec | Graph | Network, input_size: Size | None = None, device: str | None = None, **run: Any
) -> "NetworkComparison":
    """Two or more networks side by side, each against the first: `.markdown`, `.html`, `.svg` and `.to_dict()`.

    `.differences` holds each difference split over the spec's fields (networks of one family), and over stages and
    kinds of op; both sum exactly. With a `device` their latency is predicted, too, with the words of `predict_latency`
    for its run: `.predictions`. Raises InvalidInput as `analyze` does, and for fewer than two. torch is not needed.
    """
    from analyzer.render.compare.compare import network_comparison

    return network_comparison([analyzed(variant, input_size) for variant in variants], _target(device, run))


def diagram(
    variant: str | Spec | Graph | Network,
    level: str | None = None,
    input_size: Size | None = None,
    *,
    stage: str | None = None,
    path: str | None = None,
    show: Sequence[str] = ("shape", "params", "macs"),
    heat: str | None = None,
    theme: str = "light",
    direction: str | None = None,
    page_size: str | None = None,
    dense: str = "folded",
    device: str | None = None,
    **run: Any,
) -> "Drawing":
    """Draw a network at level "network", "stage", "block" or "op": `.dot`, `.svg`, `.mermaid`, `.save("x.pdf")`.

    Notebooks show it. `stage` ("stage3") or `path` ("layer3.0") draw one part, by default at level stage or op. The
    choices are those of the command line; "latency" in `show` or as `heat` is predicted for `device`, with the words
    of `predict_latency` for its run (batch_size=256, precision="amp", …). Raises InvalidInput as `analyze` does, for
    an unknown level, part, choice or device, and for a drawing that is too large. torch is not needed.
    """
    from analyzer.render.diagram.drawing import default_level, drawing
    from analyzer.render.diagram.style import DiagramStyle

    analysis = analyzed(variant, input_size)
    times = None
    if (target := _target(device, run)) is not None:
        from analyzer.render.latency.predicted import op_times

        times = op_times(analysis, target)
    look = DiagramStyle(
        show=tuple(show), heat=heat, theme=theme, direction=direction, page_size=page_size, dense=dense, times=times
    )
    return drawing(analysis, default_level(level, stage, path), look, stage=stage, path=path)


def _target(device: str | None, run: dict[str, Any]) -> "LatencyTarget | None":
    """A device and a run, None where no device is named; InvalidInput for a run alone."""
    if device is None and not run:
        return None
    if device is None:
        raise InvalidInput(f"{next(iter(run))}: is about a predicted latency; name a device, such as 'RTX 4090'.")
    from analyzer.latency.predict.parse_target import latency_target
    from analyzer.latency.run_settings import RunSettings

    settings = {name: run.pop(name) for name in RunSettings._fields if name in run}
    return latency_target(device, RunSettings(**settings), **run)


def explain(variant: str | Spec | Graph | Network, path: str = "", input_size: Size | None = None) -> "Explained":
    """How each number of a network comes about, of one of its stages ("stage2"), or of what is at a weight path.

    `.text`, `.markdown`, `.reasons` and `.to_dict()`; `.explanation.figures` holds the numbers as Terms with their
    arithmetic. Raises InvalidInput as `analyze` does, and for a path that is not there. torch is not needed.
    """
    from analyzer.render.explain.explain import explanation

    return explanation(analyzed(variant, input_size), path)


def reconcile(
    variant: str | Spec | Graph | Network, number: str, *, quantity: str | None = None, input_size: Size | None = None
) -> "Reconciliation":
    """Find which convention of which tool or paper gives a published number ("4.1G", "25.6M", "25636712").

    `.explained`, `.matches` (counts with their rules and networks), `.nearest` where nothing gives it, `.known_error`
    and `.to_dict()`. `quantity` is "params", "macs", "activations" or "bytes" where that is known. Raises InvalidInput
    as `analyze` does, and where `number` is none. torch is not needed.
    """
    from analyzer.literature.reconcile import parse_printed_number
    from analyzer.literature.reconcile import reconcile as reconciled

    return reconciled(analyze(variant, input_size), parse_printed_number(number, quantity))


def build(
    variant: str | Spec | Graph | Network,
    *,
    device: "str | torch.device" = "cpu",
    dtype: "torch.dtype | None" = None,
    zero_init_residual: bool = False,
    weights: "str | Path | None" = None,
) -> "Net":
    """Build a live network with torchvision's weight names, in training mode; float32 on the CPU unless told otherwise.

    Takes (N, C, H, W) of any batch and size that fits; gives (N, classes). Every stage, block and op is a module under
    its path in `analyze(variant).rows`; `.forward_features(x)` ends before the pool, `.stage_outputs(x)` gives every
    stage's output by name. With `zero_init_residual` each residual block starts as its shortcut; `weights` is a file
    for `load_weights`. Raises InvalidInput where `variant` is no network or the file does not fit it, and
    Unavailable where torch or the device is missing.
    """
    with extra_imports("live"):
        from analyzer.live.network.build import build as build_live
    network = build_live(variant, device=device, dtype=dtype, zero_init_residual=zero_init_residual)
    if weights is not None:
        load_weights(network, weights)
    return network


def load_weights(
    network: "torch.nn.Module", path: "str | Path", *, classifier: str = "match", strict: bool = True
) -> "LoadedWeights":
    """Take over the weights of a `.pth`, `.pt`, `.safetensors`, `.npz`, `.h5` or `.keras` file into a built network.

    torchvision's, timm's, Keras's and TF-Slim's names and layouts are understood, checkpoints are unwrapped, and
    nothing in a file is run. `classifier`: "match" the number of classes, "drop" the file's and keep the network's own,
    or "keep" the file's and change the network's. With `strict` every tensor must fit. Returns the names taken, and
    `.notes` that a reader should know. Raises InvalidInput (with `.missing`, `.unexpected`, `.misshapen` where names
    do not fit), and then leaves the network as it was; Unavailable where a package is missing.
    """
    with extra_imports("live"):
        from analyzer.live.weights.load import load_weights as load

        return load(network, path, classifier=classifier, strict=strict)


def save_weights(network: "torch.nn.Module", path: "str | Path") -> None:
    """Write a network's weights as `.safetensors`, or as a `.pth` or `.pt` state_dict, whole or not at all.

    Raises InvalidInput for another ending, a network on `meta`, or a file that cannot be written.
    """
    with extra_imports("live"):
        from analyzer.live.weights.load import save_weights as save

        save(network, path)


def check_equivalence(
    variant: str | Spec | Graph | Network,
    *,
    dtypes: Sequence[str] = ("float64", "float32"),
    full: bool = False,
    seed: int = 2017,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _path: None,
) -> "Proof":
    """Prove that every grouped block is one function in ResNeXt's three forms, and the network's other identities.

    Compares outputs, gradients and running statistics, in evaluation and training mode, each against a bound derived
    from the dtype's rounding; `.passed` is true where all are within it and every planted fault was seen. `.rows` have
    `.identity, .dtype, .mode, .max_abs, .max_rel, .tolerance`; `.identities` tell formula, why, and the reason where
    one has no place here; `.reason` says why there are no three forms (Xie et al. 2017, Figure 3), where there are
    none. `dtypes` are of float64, float32, bfloat16, float16; `full` adds the whole network forward and back.
    `progress` is told the block's number, how many there are, and its path. Raises InvalidInput where `variant` is no
    network or a dtype unknown, Unavailable where torch is missing.
    """
    with extra_imports("live"):
        from analyzer.live.equivalence.equivalence import check_equivalence as check
    return check(variant, dtypes=dtypes, full=full, seed=seed, progress=progress)


def measure_latency(
    variant: str | Spec | Graph | Network,
    *,
    device: str = "cpu",
    batch_size: int = 1,
    precision: str = "float32",
    input_size: Size | None = None,
    channels_last: bool = False,
    execution: str = "eager",
    task: str = "inference",
    num_warm_iter: int = 10,
    num_bench_iter: int | None = None,
    reference: str | None = "resnet18",
    notice: Callable[[str], None] = lambda _: None,
) -> "LatencyRecord":
    """Measure one batch's latency in milliseconds on this machine, whole and by stage, every sample kept.

    `device` is "cpu", "cuda" or "cuda:N"; `precision` is one of timm's words: float32, amp, amp_bfloat16, float16,
    bfloat16; `execution` is "eager", "cuda_graph" or "compiled"; `task` "inference" or "training". Without
    `num_bench_iter` at least 50 samples and one second of them are taken. The `reference` network is measured before
    and after: where it drifted by over 2 %, the record is `.discarded`. Weights and input are random. Raises
    InvalidInput for a bad argument, Unavailable where torch, the device or its memory is missing.
    """
    from analyzer.latency.run_settings import Effort, RunSettings

    layout = "channels_last" if channels_last else "contiguous"
    cell = RunSettings.from_words(
        task=task, execution=execution, batch_size=batch_size, precision=precision, layout=layout
    )
    effort = Effort(num_warm_iter=num_warm_iter, num_bench_iter=num_bench_iter, reference=reference)
    with extra_imports("live"):
        from analyzer.live.timing.session import MeasurementCallbacks
        from analyzer.live.timing.timing import measure_latencies
    taken = measure_latencies(
        [variant],
        [cell],
        device=device,
        input_size=input_size,
        effort=effort,
        watch=MeasurementCallbacks(notice=notice),
    )
    if not taken.records:
        raise KeyboardInterrupt
    return taken.records[0]


def predict_latency(
    variant: str | Spec | Graph | Network,
    *,
    device: "str | Device",
    batch_size: int = 1,
    precision: str = "float32",
    compiled: bool = False,
    channels_last: bool = False,
    cuda_graph: bool = False,
    training: bool = False,
    input_size: Size | None = None,
    calibration: "str | Path | None" = None,
    host_us: float | None = None,
) -> "Prediction":
    """Predict one batch's latency on a device that need not be here: `.ms`, `.low_ms` to `.high_ms` (90 % interval).

    `.stages` and `.kernels` split it, `.evidence` is "known", "calibrated" or "specs". `device` is a name of
    `devices()`, in any spelling, or one of your own; `calibration` a measured record or timm's table that holds the
    device; `host_us` the host's microseconds a kernel. In a notebook it shows its stage table, and `print` writes it.
    Raises InvalidInput for a bad argument. torch is not needed.
    """
    from analyzer.latency.predict.parse_target import latency_target
    from analyzer.latency.predict.predict import predict_latency as predict
    from analyzer.latency.run_settings import RunSettings
    from analyzer.render.report.notebook import NotebookPrediction

    run = RunSettings(batch_size, precision, compiled, channels_last, cuda_graph, training)
    calibration_file = None if calibration is None else str(calibration)
    target = latency_target(device, run, host_us=host_us, calibration_file=calibration_file)
    return NotebookPrediction.of(predict(analyzed(variant, input_size), target))


def devices() -> "dict[str, Device]":
    """The devices that a latency can be predicted for: name → its figures, `.sources` says which were checked."""
    from analyzer.latency.predict.devices import devices as known

    return known()


def verify(
    variant: str | Spec | Graph | Network, model: "torch.nn.Module | None" = None, input_size: Size | None = None
) -> "Verification":
    """Hold a network's closed form against its live network, fvcore, torch's counters, torchvision and timm.

    `.passed`, `.checks` (oracle, tool, quantity, ours, theirs, difference, passed, note), `.to_dict()`. With `model`,
    your own network is measured in place of ours, and left as found. Raises InvalidInput as `analyze` does, and
    Unavailable where torch is missing.
    """
    analysis = analyzed(variant, input_size)
    with extra_imports("live"):
        from analyzer.live.verify.verify import verify as verify_live
    return verify_live(analysis, model)
