"""One run of a family's own code and of the cost walk on Symbols.

The fields of a candidate that vary in the space are Symbols, all others plain; `make_spec` builds its spec, `graph` its
network and `cost_tree` its costs, as for any network. The result is a polynomial for each figure, and the tape of the
comparisons and counts on the way; an InvalidInput is a result as well: the reason why there are no figures.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.cost.memory import buffers_bytes, params_bytes
from analyzer.cost.network_costs import CostTotals
from analyzer.cost.walk import StageTotals, cost_tree
from analyzer.errors import InvalidInput
from analyzer.families.expression import make_spec
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph.graph import in_channels, num_ops
from analyzer.sweep.tracing.polynomial import Atoms, Terms
from analyzer.sweep.tracing.symbol import Tape, terms_of

FIGURES = ("params", "macs", "activations", "depth", "ops", "input_height", "input_width", "state_bytes")
"""What a run yields; "ops" are leaf ops, which are bounded, "state_bytes" those of parameters and buffers."""


class NetworkStructure(NamedTuple):
    """What candidates of one structure share: all fields but the whole numbers that vary, with their values.

    `lengths` are those of list fields, whose elements go by "depths[0]" and so on.
    """

    family: str
    shared: tuple[tuple[str, Any], ...]
    lengths: tuple[tuple[str, int], ...]
    size: Size | None


class _SymbolList(tuple[Any, ...]):
    """A list of Symbols, which is never taken for the field's default list."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = tuple.__hash__


Multiset = Counter[Any]
"""Item → how many of it a network has; in a difference, negative where it has fewer."""
MultisetReaders = tuple[tuple[str, Callable[[Analysis], Multiset]], ...]
"""(name, function) pairs of the multisets that are read off each run beside its figures."""


class SymbolicRun(NamedTuple):
    """One run: its tape, its figures and multisets by name, and the reason where there are none."""

    tape: Tape
    figures: dict[str, Terms]
    multisets: dict[str, Multiset]
    reason: str = ""


class TraceSource(NamedTuple):
    """Where a trace came from, so that more can be read off the same networks.

    `values` are those of the varying fields, 1 for the `counted` ones of which the figures are polynomials.
    """

    atoms: Atoms
    structure: NetworkStructure
    bounds: dict[str, tuple[int, int]]
    values: dict[str, int]
    readers: MultisetReaders
    counted: tuple[str, ...]
    done: dict[tuple[tuple[str, int], ...], SymbolicRun]

    def run(self, **counts: int) -> SymbolicRun:
        """The run with other counts; made once."""
        key = tuple(counts.items())
        if key not in self.done:
            self.done[key] = _run(self, self.values | counts)
        return self.done[key]


def _run(source: TraceSource, values: Mapping[str, int]) -> SymbolicRun:
    structure, tape = source.structure, Tape(source.atoms, source.bounds)
    fields: dict[str, Any] = dict(structure.shared)
    for name, length in structure.lengths:
        parts = [f"{name}[{stage}]" for stage in range(length)]
        fields[name] = _SymbolList(
            tape.symbol(part, values[part]) if part in values else fields.pop(part) for part in parts
        )
    fields |= {name: tape.symbol(name, value) for name, value in values.items() if "[" not in name}
    try:
        spec = make_spec(structure.family, fields)
        analysis = _analysis(spec, spec.default_input_size if structure.size is None else structure.size)
        multisets = {name: reader(analysis) for name, reader in source.readers}
    except InvalidInput as error:
        return SymbolicRun(tape, {}, {}, reason=str(error))
    return SymbolicRun(tape, _figures(analysis), multisets)


def _analysis(spec: Spec, size: Size) -> Analysis:
    """The analysis of a network of Symbols, which has no name."""
    graph = spec.graph()
    height, width = size if isinstance(size, tuple) else (size, size)
    shape = in_channels(graph), height, width
    costs = cost_tree(graph, shape)
    network = Network(graph=graph, expression="", title="", spec=spec)
    return Analysis(network=network, input_shape=shape, stages=(), totals=_totals(costs.total), cost_tree=costs)


def _totals(total: StageTotals) -> CostTotals:
    extent, stride, depth = total.receptive
    return CostTotals(
        output_shape=total.output_shape,
        params=total.params,
        buffers=total.buffers,
        macs=total.macs,
        activations=total.activations,
        receptive_field=1 + extent,
        total_stride=stride,
        depth=depth,
    )


def _figures(analysis: Analysis) -> dict[str, Terms]:
    _, height, width = analysis.input_shape
    figures = (analysis.params, analysis.macs, analysis.activations, analysis.depth, num_ops(analysis.network.graph))
    state_bytes = params_bytes(analysis) + buffers_bytes(analysis)
    return {
        name: terms_of(figure) for name, figure in zip(FIGURES, (*figures, height, width, state_bytes), strict=True)
    }
