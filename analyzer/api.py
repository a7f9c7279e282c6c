"""The public Python interface, gathered; heavy readings are imported when they are called."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from analyzer.cost.analysis import Analysis
from analyzer.cost.analysis import analyze as analyzed
from analyzer.errors import InvalidInput
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


def analyze(variant: str | Spec | Graph | Network, input_size: Size | None = None) -> Analysis:
    """Analyse a network at an input size, in closed form: torch is not needed.

    Shapes are (C, H, W) without the batch; counts are plain integers for one input. MACs are multiply-accumulates of
    convolutions and linear layers; activations are their output elements; FLOPs are 2 × MACs.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.

    Returns:
        An `Analysis`: totals (`.params`, `.macs`, …), `.stages`, `.blocks`, `.rows` (one an op), `.memory()`,
        `.transfer()`, `.to_dict()` and `.to_frame()`. Notebooks show its stage table, and `print` writes it.

    Raises:
        InvalidInput: an unknown name, a bad field, an impossible network, or a size that does not fit.

    Example:
        >>> import analyzer
        >>> a = analyzer.analyze("resnet50")
        >>> a.params, a.macs, a.stages[1].output_shape
        (25557032, 4089184256, (256, 56, 56))
    """
    return NotebookAnalysis.of(variant, input_size)


def compare(
    *variants: str | Spec | Graph | Network, input_size: Size | None = None, device: str | None = None, **run: Any
) -> "NetworkComparison":
    """Compare networks side by side, each with the first, and say what each difference is due to.

    torch is not needed.

    Args:
        *variants: Two or more expressions, specs, graphs or networks; all are compared with the first.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.
        device: Name of a device; the latency of each network on it is predicted, too (`.predictions`).
        **run: How the networks run there, in the words of `predict_latency` (batch_size=256, precision="amp", …).

    Returns:
        A comparison: `.markdown`, `.html`, `.svg`, `.to_dict()`, and `.differences`, each split over the spec's fields
        (networks of one family) and over stages and kinds of op; both sum exactly.

    Raises:
        InvalidInput: as `analyze` does; fewer than two networks; an unknown device or a bad word for its run.

    Example:
        >>> import analyzer
        >>> [difference] = analyzer.compare("resnet50_v1", "resnet50").differences
        >>> [(step.shares["macs"], step.shares["params"]) for step in difference.steps]
        [(231211008, 0)]
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
    """Draw a network, or one part of it; notebooks show the drawing. torch is not needed.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        level: "network", "stage", "block" or "op"; None is "network", or what suits the part.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.
        stage: Draw one stage alone ("stage3").
        path: Draw what is at one weight path alone ("layer3.0").
        show: What the boxes say, of "shape", "params", "macs", "activations", "latency", "memory", "receptive-field",
            "total-stride", "path".
        heat: What the shade means: "params", "macs", "activations", "memory" or "latency"; None leaves them plain.
        theme: "light" or "dark".
        direction: "right" or "down"; None takes the level's own.
        page_size: "a3", "a4", "a5" or "letter", to which the drawing is fitted; None leaves it as large as it is.
        dense: A dense stage with equal layers "folded", each layer on a "rail", or "all" connections.
        device: Name of the device for which latency is predicted, where boxes or shade tell it.
        **run: How the network runs there, in the words of `predict_latency` (batch_size=256, …).

    Returns:
        A drawing: `.dot`, `.svg`, `.mermaid`, and `.save("x.pdf")` by suffix.

    Raises:
        InvalidInput: as `analyze` does; an unknown level, part, choice or device; a drawing that is too large.

    Example:
        >>> import analyzer
        >>> analyzer.diagram("resnet18", level="block").svg.rstrip().endswith("</svg>")
        True
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
    """Say how each number of a network comes about, or of one part: the formulas with their numbers filled in.

    torch is not needed.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        path: A stage ("stage2"), or a weight path of a block or an op ("layer2.0.conv1"); "" is the whole network.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.

    Returns:
        An explanation: `.text`, `.markdown`, `.reasons`, `.to_dict()`; `.explanation.figures` holds the numbers as
        integers that remember their arithmetic.

    Raises:
        InvalidInput: as `analyze` does, and for a path that is not there.

    Example:
        >>> import analyzer
        >>> "(224 + 2·3 − 7)/2" in analyzer.explain("resnet50", "conv1").text
        True
    """
    from analyzer.render.explain.explain import explanation

    return explanation(analyzed(variant, input_size), path)


def reconcile(
    variant: str | Spec | Graph | Network, number: str, *, quantity: str | None = None, input_size: Size | None = None
) -> "Reconciliation":
    """Find which convention of which tool or paper gives a published number. torch is not needed.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        number: The number as it is printed: "4.1G", "25.6M params", "97.8 MB" or "25636712".
        quantity: "params", "macs", "activations" or "bytes", where that is known.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.

    Returns:
        A reconciliation: `.explained`, `.matches` (counts with their rules and networks), `.nearest` where nothing
        gives it, `.known_error` and `.to_dict()`.

    Raises:
        InvalidInput: as `analyze` does, and where `number` is none.

    Example:
        >>> import analyzer
        >>> [convention.tools for convention in analyzer.reconcile("resnet50", "4111512576").matches[0].rules]
        [('fvcore 0.1.5',), ('timm 1.0.31 gmacs',)]
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
    """Build a live network with torchvision's weight names, in training mode (extra `live`).

    It takes (N, C, H, W) of any batch and size that fits, and gives (N, classes). Every stage, block and op is a module
    under its path in `analyze(variant).rows`; `.forward_features(x)` ends before the pool, and `.stage_outputs(x)`
    gives every stage's output by name.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        device: Where its weights are made; "meta" makes none.
        dtype: Of the weights; None is torch's default, float32.
        zero_init_residual: Whether each residual block starts as its shortcut (Goyal et al. 2017).
        weights: A file for `load_weights`.

    Returns:
        A torch.nn.Module.

    Raises:
        InvalidInput: `variant` is no network, or the file does not fit it.
        Unavailable: torch or the device is missing.

    Example:
        >>> import analyzer, torch
        >>> network = analyzer.build("resnet18", device="meta")
        >>> network(torch.empty(2, 3, 224, 224, device="meta")).shape
        torch.Size([2, 1000])
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
    """Take over the weights of a file into a built network, or refuse the file whole (extra `live`).

    The names and layouts of torchvision, timm, Keras and TF-Slim are understood and checkpoints are unwrapped. Nothing
    in a file is run.

    Args:
        network: What `build` gave; it is left as it was where the file does not fit.
        path: A `.pth`, `.pt`, `.safetensors`, `.npz`, `.h5` or `.keras` file.
        classifier: "match" the number of classes, "drop" the file's classifier, or "keep" it and change the network's.
        strict: Whether every tensor must fit.

    Returns:
        The `.names` taken, those `.missing`, `.unexpected` and `.misshapen`, and `.notes` that a reader should know.

    Raises:
        InvalidInput: the file cannot be read or does not fit (then with `.missing`, `.unexpected`, `.misshapen`).
        Unavailable: a package is missing.

    Example:
        >>> import analyzer, tempfile
        >>> path = tempfile.mkdtemp() + "/resnet20.safetensors"
        >>> analyzer.save_weights(analyzer.build("resnet20_cifar"), path)
        >>> analyzer.load_weights(analyzer.build("resnet20_cifar"), path).missing
        ()
    """
    with extra_imports("live"):
        from analyzer.live.weights.load import load_weights as load

        return load(network, path, classifier=classifier, strict=strict)


def save_weights(network: "torch.nn.Module", path: "str | Path") -> None:
    """Write a network's weights to a file, whole or not at all (extra `live`).

    Args:
        network: A torch.nn.Module whose weights are not on `meta`.
        path: Ends in `.safetensors`, or in `.pth` or `.pt` for a state_dict; an existing file is replaced.

    Raises:
        InvalidInput: another ending, a network on `meta`, or a file that cannot be written.
        Unavailable: a package is missing.

    Example:
        >>> import analyzer, pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "resnet20.pth")
        >>> analyzer.save_weights(analyzer.build("resnet20_cifar"), path)
        >>> path.stat().st_size > 4 * analyzer.analyze("resnet20_cifar").params
        True
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
    """Prove that every grouped block is one function in ResNeXt's three forms, and the other identities.

    Outputs, gradients and running statistics are compared in evaluation and training mode, each with a bound derived
    from the dtype's rounding (Xie et al. 2017, Figure 3; extra `live`).

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        dtypes: Of "float64", "float32", "bfloat16", "float16".
        full: Whether the whole network is run forward and back in its three forms, too.
        seed: Of the random weights and inputs.
        progress: Called with the block's number, how many there are, and its path.

    Returns:
        A proof: `.passed` where all errors are within their bounds and every planted fault was noticed; `.rows` with
        `.identity, .dtype, .mode, .max_abs, .max_rel, .tolerance`; `.identities` with formula and why, or the reason
        why one has no place here; `.reason` why there are no three forms, where there are none.

    Raises:
        InvalidInput: `variant` is no network, or a dtype is unknown.
        Unavailable: torch is missing.

    Example:
        >>> import analyzer
        >>> proof = analyzer.check_equivalence("resnext29_8x64d_cifar:depths=1,num_classes=10", dtypes=["float64"])
        >>> proof.passed, max(row.max_abs for row in proof.rows) < 1e-6
        (True, True)
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
    """Measure one batch's latency on this machine, whole and by stage, every sample kept (extra `live`).

    Weights and input are random. The `reference` network is measured before and after: where it drifted by over 2 %,
    the record is `.discarded`.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        device: "cpu", "cuda" or "cuda:N".
        batch_size: Inputs in the batch.
        precision: One of timm's words: "float32", "amp", "amp_bfloat16", "float16", "bfloat16".
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.
        channels_last: Whether tensors are laid out NHWC.
        execution: "eager", "cuda_graph" or "compiled".
        task: "inference" or "training", which is one step: forward, backward and optimiser.
        num_warm_iter: Runs before the first sample.
        num_bench_iter: Samples; None takes at least 50, and one second of them.
        reference: The network that guards against drift; None leaves it out.
        notice: Called with a sentence for what a reader should know meanwhile.

    Returns:
        A record: medians and percentiles in milliseconds, its samples and all conditions.

    Raises:
        InvalidInput: a bad argument.
        Unavailable: torch, the device or its memory is missing.

    Example:
        >>> import analyzer
        >>> record = analyzer.measure_latency("resnet20_cifar", num_bench_iter=3, reference=None)
        >>> len(record.network.samples_ms), record.network.median_ms > 0
        (3, True)
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
    """Predict one batch's latency on a device that need not be here. torch is not needed.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        device: A name of `devices()`, in any spelling, or a device of your own.
        batch_size: Inputs in the batch.
        precision: One of timm's words: "float32", "amp", "amp_bfloat16", "float16", "bfloat16".
        compiled: Whether torch.compile has fused its kernels.
        channels_last: Whether tensors are laid out NHWC.
        cuda_graph: Whether the host starts the whole network at once.
        training: Whether it is one training step: forward, backward and optimiser.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.
        calibration: A measured record, or a table with timm's columns, that holds the device.
        host_us: Microseconds that the host takes to start a kernel; None is the model's own.

    Returns:
        A prediction in milliseconds for one batch: `.ms`, the 90 % interval `.low_ms` to `.high_ms`, `.evidence`
        ("known", "calibrated" or "specs"), `.stages` and `.kernels`. Notebooks show its stage table.

    Raises:
        InvalidInput: as `analyze` does, and for a bad argument.

    Example:
        >>> import analyzer
        >>> p = analyzer.predict_latency("resnet50", device="rtx4090", batch_size=256, precision="amp")
        >>> p.evidence, p.low_ms < p.ms < p.high_ms, round(p.ms)
        ('known', True, 58)
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
    """List the devices that a latency can be predicted for. torch is not needed.

    Returns:
        Name → its figures (peak TFLOP/s, GB/s, MB, watts), and `.sources`, which says which were checked.

    Example:
        >>> import analyzer
        >>> analyzer.devices()["RTX 4090"].mem_gb
        24.0
    """
    from analyzer.latency.predict.devices import devices as known

    return known()


def verify(
    variant: str | Spec | Graph | Network, model: "torch.nn.Module | None" = None, input_size: Size | None = None
) -> "Verification":
    """Hold a network's closed form against its live network and the tools that count on it (extra `live`).

    The oracles are hooks and parameters of the live network, fvcore, torch's counters, torchvision and timm.

    Args:
        variant: An expression ("resnet50:depths=3-4-23-3"), a `Spec`, a `Graph` or a `Network`.
        model: Your own torch.nn.Module, measured in place of ours and left as it was.
        input_size: Pixels, a side or (height, width); None takes the variant's own, 224, or 32 for CIFAR nets.

    Returns:
        A verification: `.passed`, `.to_dict()`, and `.checks` with oracle, tool, quantity, ours, theirs, difference,
        passed and note.

    Raises:
        InvalidInput: as `analyze` does.
        Unavailable: torch is missing.

    Example:
        >>> import analyzer
        >>> analyzer.verify("resnet20_cifar").passed
        True
    """
    analysis = analyzed(variant, input_size)
    with extra_imports("live"):
        from analyzer.live.verify.verify import verify as verify_live
    return verify_live(analysis, model)
