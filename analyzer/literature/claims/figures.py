"""Figures of networks as claims need them: each a TracedInt, so that its arithmetic can be written out."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import item_bytes, memory
from analyzer.cost.training import transfer
from analyzer.cost.walk import OpCost
from analyzer.explanation.figures import explain_path, op_figures, section_at
from analyzer.explanation.traced_int import TracedInt, traced_sum, variable
from analyzer.families.network import network as resolve
from analyzer.graph.graph import Graph, leaf_ops, sub_graphs
from analyzer.graph.ops import BatchNorm2d, Concat, Conv2d, Linear, Op, Weighted
from analyzer.graph.resnext_forms import forms, grouped_blocks

OpFilter = Callable[[Op], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFigure:
    """A number of a network, or of what is at a path in it; `input_size` where it is not the variant's own.

    `unit` is "B" or "px", or nothing for a count.
    """

    network: str
    path: str = ""
    quantity: str
    value: int
    input_size: int | None = None
    unit: str = ""


_cached_analysis = lru_cache(maxsize=128)(analyze)


def analysis_of(network: str, size: int | None = None) -> Analysis:
    """The analysis of an expression at an input size, cached while the claims are evaluated."""
    return _cached_analysis(network, size)


def every_op(_: Op) -> bool:
    """All ops."""
    return True


def convolutions(op: Op) -> bool:
    """Convolutions of any kernel."""
    return isinstance(op, Conv2d)


def pointwise(op: Op) -> bool:
    """1×1 convolutions."""
    return isinstance(op, Conv2d) and op.kernel == 1


def norms(op: Op) -> bool:
    """Batch norms."""
    return isinstance(op, BatchNorm2d)


def with_weights(op: Op) -> bool:
    """Convolutions and linear layers."""
    return isinstance(op, Weighted)


def linears(op: Op) -> bool:
    """Fully connected layers."""
    return isinstance(op, Linear)


def params(
    network: str, path: str = "", *, only: OpFilter = every_op, of: str = "", size: int | None = None
) -> ClaimFigure:
    """Parameters of a network or of what is at a path, of all ops or `only` some, called `of`."""
    return _op_sum("params", "parameters", network, path, only, of, size)


def weights(network: str, path: str) -> ClaimFigure:
    """Parameters of the convolutions at a path."""
    return params(network, path, only=convolutions, of="convolutions")


def macs(
    network: str, path: str = "", *, only: OpFilter = every_op, of: str = "", size: int | None = None
) -> ClaimFigure:
    """Multiply-accumulates of a network or of what is at a path, of all ops or `only` some, called `of`."""
    return _op_sum("MACs", "MACs", network, path, only, of, size)


def flops(network: str) -> ClaimFigure:
    """2 × MACs of a network."""
    figure = next(figure for figure in explain_path(analysis_of(network)).figures if figure.name == "FLOPs")
    return ClaimFigure(network=network, quantity="FLOPs, two a MAC", value=figure.value)


def activations(network: str, path: str = "") -> ClaimFigure:
    """Output elements of the convolutions and linear layers."""
    return _op_sum("activations", "activations", network, path, every_op, "", None)


def _op_sum(name: str, label: str, network: str, path: str, only: OpFilter, of: str, size: int | None) -> ClaimFigure:
    analysis = analysis_of(network, size)
    section = section_at(analysis, path)
    rows = [row for row in analysis.rows[section.start : section.stop] if only(row.operation)]
    figure = _traced_sum(rows, name) if section.level in ("block", "op") else _by_stage(rows, name)
    quantity = f"{label} of its {of}" if of else label
    return ClaimFigure(network=network, path=path, quantity=quantity, value=figure, input_size=size)


def _traced_sum(rows: Sequence[OpCost], name: str) -> TracedInt:
    """The sum over ops, each by its own formula."""
    return traced_sum(figure.value for row in rows for figure in op_figures(row) if figure.name == name)


_COUNTS: dict[str, Callable[[OpCost], int]] = {
    "params": lambda row: row.params,
    "MACs": lambda row: row.macs,
    "activations": lambda row: row.activations,
    "ops": lambda _: 1,
}


def _by_stage(rows: Sequence[OpCost], name: str) -> TracedInt:
    """The sum over stages."""
    stages = groupby(rows, lambda row: row.stage)
    return traced_sum(variable(sum(_COUNTS[name](row) for row in members), stage) for stage, members in stages)


def num_ops(network: str, *, only: OpFilter = every_op, of: str = "ops") -> ClaimFigure:
    """How many ops a network has, of all or `only` some, called `of`, by stage."""
    rows = [row for row in analysis_of(network).rows if only(row.operation)]
    return ClaimFigure(network=network, quantity=f"number of {of}", value=_by_stage(rows, "ops"))


def explained_figure(network: str, quantity: str, path: str = "") -> ClaimFigure:
    """One of `explain`'s figures: depth, receptive field, height, …."""
    figure = next(item for item in explain_path(analysis_of(network), path).figures if item.name == quantity)
    return ClaimFigure(
        network=network,
        path=path,
        quantity=quantity,
        value=figure.value,
        unit="px" if quantity == "receptive field" else "",
    )


def side(network: str, path: str, input_size: int) -> ClaimFigure:
    """Side of the map at a path."""
    explanation = explain_path(analysis_of(network, input_size), path)
    figure = next(item for item in explanation.figures if item.name == "height")
    return ClaimFigure(
        network=network, path=path, quantity="side", value=figure.value, input_size=input_size, unit="px"
    )


def pixels(network: str, size: int | None = None) -> ClaimFigure:
    """Side of the input."""
    _, height, _ = analysis_of(network, size).input_shape
    return ClaimFigure(
        network=network, quantity="side of the input", value=variable(height, "n"), input_size=size, unit="px"
    )


def out_channels(network: str, path: str) -> ClaimFigure:
    """Channels that an op or block puts out."""
    section = section_at(analysis_of(network), path)
    channels = analysis_of(network).rows[section.stop - 1].output_shape[0]
    return ClaimFigure(network=network, path=path, quantity="output channels", value=variable(channels, "C"))


def inference_bytes(network: str, batch_size: int) -> ClaimFigure:
    """Weights, buffers and the peak of activations in float32."""
    needed = memory(analysis_of(network), batch_size)
    parts = (needed.params_bytes, needed.buffers_bytes, *(alive.bytes for alive in needed.alive))
    quantity = _at_batch("bytes of weights, buffers and the peak of activations", batch_size)
    return ClaimFigure(
        network=network, quantity=quantity, value=traced_sum(variable(count, "bytes") for count in parts), unit="B"
    )


def weight_bytes(network: str, dtype: str = "float32") -> ClaimFigure:
    """Bytes of the parameters."""
    value = variable(analysis_of(network).params, "params") * variable(item_bytes(dtype), "bytes")
    return ClaimFigure(network=network, quantity=f"bytes of parameters, {dtype}", value=value, unit="B")


def peak_bytes(network: str, batch_size: int = 1) -> ClaimFigure:
    """The peak of activations in inference, float32."""
    alive = memory(analysis_of(network), batch_size).alive
    quantity = _at_batch("bytes at the peak of activations", batch_size)
    return ClaimFigure(
        network=network,
        quantity=quantity,
        value=traced_sum(variable(storage.bytes, storage.path) for storage in alive),
        unit="B",
    )


def stored_bytes(network: str, batch_size: int, dtype: str = "float32") -> ClaimFigure:
    """What training stores of the forward pass."""
    stages = transfer(analysis_of(network), batch_size=batch_size, dtype=dtype).stages
    quantity = _at_batch(f"bytes stored for training, {dtype}", batch_size)
    return ClaimFigure(
        network=network,
        quantity=quantity,
        value=traced_sum(variable(row.stored_bytes, row.stage) for row in stages),
        unit="B",
    )


def _at_batch(quantity: str, batch_size: int) -> str:
    return f"{quantity}, batch {batch_size}"


def training_macs(network: str, mode: str = "all") -> ClaimFigure:
    """MACs of the forward pass, the input gradients and the weight gradients where that mode's parameters learn."""
    trained = transfer(analysis_of(network), mode)
    passes = (trained.forward_macs, trained.input_gradient_macs, trained.weight_gradient_macs)
    quantity = "MACs of training" if mode == "all" else f"MACs of training, {mode} alone"
    return ClaimFigure(network=network, quantity=quantity, value=traced_sum(variable(part, "pass") for part in passes))


def connections(network: str, path: str = "") -> ClaimFigure:
    """Direct connections of a dense block, or of all of a network's: concatenated tensors count one by one."""
    stages = [part for name, part in sub_graphs(resolve(network).graph) if part.kind == "stage" and path in ("", name)]
    return ClaimFigure(
        network=network,
        path=path,
        quantity="direct connections",
        value=traced_sum(variable(len(sources), "layer") for stage in stages for sources in _dense_inputs(stage)),
    )


def _dense_inputs(stage: Graph) -> Iterator[list[str]]:
    """The tensors that each dense layer of a block reads."""
    by_name = {node.name: node for node in stage.nodes}

    def sources(name: str) -> list[str]:
        node = by_name.get(name)
        joined = node is not None and isinstance(node.op, Concat)
        return [tensor for part in by_name[name].inputs for tensor in sources(part)] if joined else [name]

    yield from (sources(node.inputs[0]) for node in stage.nodes if isinstance(node.op, Graph))


def half_square(network: str, path: str = "") -> ClaimFigure:
    """L(L + 1)/2 for the dense layers of a block, or for the depth of the whole network."""
    stages = dict(sub_graphs(resolve(network).graph))
    num_layers = len(list(_dense_inputs(stages[path]))) if path else analysis_of(network).depth
    layers = variable(num_layers, "L")
    return ClaimFigure(
        network=network,
        path=path,
        quantity="L(L + 1)/2",
        value=layers * (layers + 1) // variable(2, "2", divides=True),
    )


def form_params(network: str, path: str, letter: str) -> ClaimFigure:
    """Parameters of a grouped block in one of ResNeXt's three forms, convolutions without biases."""
    counts = Counter(formulas.params(op) for _, op in leaf_ops(_form(network, path, letter)))
    value = traced_sum(
        variable(count, "ops") * variable(num_params, "params") for num_params, count in counts.items() if num_params
    )
    return ClaimFigure(network=network, path=path, quantity=f"parameters in form ({letter})", value=value)


def form_biases(network: str, path: str, letter: str) -> ClaimFigure:
    """Biases of a grouped block's transform in one of the three forms, where every convolution of every path has one.

    The projection, which all forms share, is left out.
    """
    ops = [op for path, op in leaf_ops(_form(network, path, letter)) if not path.startswith("downsample")]
    counts = Counter(op.out_channels for op in ops if isinstance(op, Conv2d))
    value = traced_sum(variable(count, "ops") * variable(channels, "C_out") for channels, count in counts.items())
    return ClaimFigure(network=network, path=path, quantity=f"biases in form ({letter})", value=value)


def _form(expression: str, path: str, letter: str) -> Graph:
    block = dict(grouped_blocks(resolve(expression).graph))[path]
    return next(form.graph for form in forms(block) if form.letter == letter)
