"""A family's own code and the cost fold, run once on Symbols: the figures of all networks that are built alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import Any, NamedTuple

from analyzer.cost.analysis import Analysis, Sum
from analyzer.cost.memory import buffers_bytes, params_bytes
from analyzer.cost.walk import Tally, walk
from analyzer.errors import InvalidInput
from analyzer.families.expression import make
from analyzer.families.network import Network, Size
from analyzer.families.spec import Spec
from analyzer.graph import in_channels, num_ops
from analyzer.sweep.polynomial import Atoms, Terms, constant, frozen, plus, scaled, times
from analyzer.sweep.symbol import Condition, Tape, terms_of

FIGURES = ("params", "macs", "activations", "depth", "ops", "input_height", "input_width", "state_bytes")
"""What a trace yields; "ops" are leaf ops, which are bounded, "state_bytes" those of parameters and buffers."""
_MAX_ORDER = 4


class Alike(NamedTuple):
    """What candidates of one structure share: all fields but the whole numbers that vary, with their values.

    `lengths` are those of list fields, whose elements go by "depths[0]" and so on.
    """

    family: str
    shared: tuple[tuple[str, Any], ...]
    lengths: tuple[tuple[str, int], ...]
    size: Size | None


class Fraction(NamedTuple):
    """A polynomial over a whole number, which always divides it."""

    terms: Terms
    denominator: int = 1


class _Own(tuple[Any, ...]):
    """A list of Symbols, which is never taken for the field's default list."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = tuple.__hash__


class Run(NamedTuple):
    """One run: what it noted, its figures by name, the analysis that they are of, and why there is none."""

    tape: Tape
    figures: dict[str, Terms]
    analysis: Analysis | None = None
    reason: str = ""


class Source(NamedTuple):
    """Where a trace came from, so that more can be read off the same networks.

    `values` are those of the varying fields, 1 for the `counted` ones of which the figures are polynomials.
    """

    atoms: Atoms
    alike: Alike
    bounds: dict[str, tuple[int, int]]
    values: dict[str, int]
    counted: tuple[str, ...] = ()

    def run(self, **counts: int) -> Run:
        """A run with other counts."""
        return _run(self.atoms, self.alike, self.bounds, self.values | counts)


@dataclass(frozen=True, slots=True)
class Traced:
    """Where all conditions are as they say, the figures are those; none where no such network is possible."""

    conditions: tuple[Condition, ...]
    figures: Mapping[str, Fraction]
    source: Source
    reason: str = ""


def trace(atoms: Atoms, alike: Alike, bounds: dict[str, tuple[int, int]], values: Mapping[str, int]) -> Traced:
    """The figures of the candidates that are built as the one whose varying fields have these values."""
    source = Source(atoms, alike, dict(bounds), dict(values))
    true = source.run()
    counted = tuple(str(atoms.items[place]) for place in true.tape.counted)
    if not counted:
        return _exact(source, true)
    source = source._replace(values=source.values | dict.fromkeys(counted, 1), counted=counted)
    base = source.run()
    if true.reason and base.reason:
        return Traced(_kept([true, base], counted), {}, source, true.reason)
    general = None if true.reason or base.reason else _general(source, base)
    if general is None or not _agree(atoms, general[1], true):
        return _exact(source._replace(values=dict(values), counted=()), true)
    return Traced(_kept([true, base, *general[0]], counted), general[1], source)


def _run(atoms: Atoms, alike: Alike, bounds: dict[str, tuple[int, int]], values: Mapping[str, int]) -> Run:
    tape = Tape(atoms, bounds)
    fields: dict[str, Any] = dict(alike.shared)
    for name, length in alike.lengths:
        parts = [f"{name}[{place}]" for place in range(length)]
        fields[name] = _Own(tape.symbol(part, values[part]) if part in values else fields.pop(part) for part in parts)
    fields |= {name: tape.symbol(name, value) for name, value in values.items() if "[" not in name}
    try:
        spec = make(alike.family, fields)
        analysis = _analysis(spec, spec.default_input_size if alike.size is None else alike.size)
    except InvalidInput as error:
        return Run(tape, {}, reason=str(error))
    return Run(tape, _figures(analysis), analysis)


def _analysis(spec: Spec, size: Size) -> Analysis:
    """The cost fold's reading of a network of Symbols, which has no name."""
    graph = spec.graph()
    height, width = size if isinstance(size, tuple) else (size, size)
    shape = in_channels(graph), height, width
    walked = walk(graph, shape)
    network = Network(graph=graph, expression="", title="", spec=spec)
    return Analysis(network=network, input_shape=shape, stages=(), totals=_totals(walked.total), walked=walked)


def _totals(total: Tally) -> Sum:
    reach, stride, depth = total.seen
    return Sum(
        output_shape=total.output_shape,
        params=total.params,
        buffers=total.buffers,
        macs=total.macs,
        activations=total.activations,
        receptive_field=1 + reach,
        total_stride=stride,
        depth=depth,
    )


def _figures(analysis: Analysis) -> dict[str, Terms]:
    _, height, width = analysis.input_shape
    found = (analysis.params, analysis.macs, analysis.activations, analysis.depth, num_ops(analysis.network.graph))
    held = params_bytes(analysis) + buffers_bytes(analysis)
    return {name: terms_of(figure) for name, figure in zip(FIGURES, (*found, height, width, held), strict=True)}


def _kept(runs: Sequence[Run], counted: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions under which all runs hold, but for those on counted fields alone that came out both ways."""
    true, *probes = runs
    atoms = true.tape.atoms
    places = {atoms.place(name) for name in counted}
    kept = dict(true.tape.conditions)
    for probe in probes:
        for condition in probe.tape.conditions:
            reads = atoms.fields(dict(condition.terms))
            if not reads & places:
                kept[condition] = None
            elif reads <= places:
                kept.pop(condition._replace(holds=not condition.holds), None)
    return tuple(kept)


def _general(source: Source, base: Run) -> tuple[list[Run], dict[str, Fraction]] | None:
    """The figures as polynomials in what is counted, by finite differences from one on (Newton's series).

    Each counted field adds its own: repeated blocks add equal costs, dense layers ever more. None where a run fails or
    the differences do not end. The caller holds the result against the run at the true counts.
    """
    runs: list[Run] = []
    figures = {name: Fraction(terms) for name, terms in base.figures.items()}
    for field in source.counted:
        table, differences = [base.figures], dict[str, list[Terms]]()
        while len(table) <= _MAX_ORDER:
            run = source.run(**{field: len(table) + 1})
            if run.reason:
                return None
            runs.append(run)
            table.append(run.figures)
            differences = {name: _differences([row[name] for row in table]) for name in FIGURES}
            if not any(each[-1] for each in differences.values()):
                break
        else:
            return None
        steps: Terms = {((source.atoms.place(field), 1),): 1}
        figures = {name: _extended(figures[name], steps, differences[name][1:]) for name in FIGURES}
    return runs, figures


def _differences(values: list[Terms]) -> list[Terms]:
    """The first of the values, of their differences, of those differences, and so on."""
    found = []
    while values:
        found.append(values[0])
        values = [plus(after, before, -1) for before, after in pairwise(values)]
    return found


def _extended(figure: Fraction, count: Terms, differences: Sequence[Terms]) -> Fraction:
    """The figure and, for each order k, the binomial coefficient of count − 1 over k times the k-th difference."""
    terms, denominator = figure
    falling, factorial = constant(1), 1
    for order, difference in enumerate(differences, 1):
        falling = times(falling, plus(count, constant(-order)))
        factorial *= order
        if difference:
            common = denominator * factorial // gcd(denominator, factorial)
            added = scaled(times(falling, difference), common // factorial)
            terms, denominator = plus(scaled(terms, common // denominator), added), common
    return _reduced(terms, denominator)


def _reduced(terms: Terms, denominator: int) -> Fraction:
    common = gcd(denominator, *terms.values())
    return Fraction({monomial: each // common for monomial, each in terms.items()}, denominator // common)


def _agree(atoms: Atoms, figures: Mapping[str, Fraction], true: Run) -> bool:
    """Whether general figures at the true counts are, as polynomials, those of the run at the true counts."""
    counts = true.tape.counted
    return all(
        atoms.substituted(figures[name].terms, counts)
        == scaled(atoms.substituted(true.figures[name], counts), figures[name].denominator)
        for name in FIGURES
    )


def _exact(source: Source, true: Run) -> Traced:
    """The run's own figures, for candidates with the same counts."""
    counts = [
        Condition(frozen({((place, 1),): 1} | constant(-value)), "=", True)
        for place, value in true.tape.counted.items()
    ]
    figures = {name: Fraction(terms) for name, terms in true.figures.items()}
    return Traced((*true.tape.conditions, *counts), figures, source, true.reason)
