"""The figures of all networks of one structure, from a few runs on Symbols.

A figure is a polynomial in the fields after one run, but for fields that count: a loop over `range(depth)` runs a
number of times. Such a field is set to 1, 2, 3 … in turn, and the polynomial in it is Newton's series on the first
figure, the first difference, the difference of differences, until one vanishes: repeated blocks add equal costs (order
1), the layers of a dense block ever more (order 2 in parameters). With 5, 7 and 11 at counts 1, 2 and 3:

    >>> differences = _differences([constant(5), constant(7), constant(11)])
    >>> differences  # 5; 7 − 5 = 2; (11 − 7) − (7 − 5) = 2
    [{(): 5}, {(): 2}, {(): 2}]
    >>> count = {((Atoms().index("depth"), 1),): 1}
    >>> # 5 + 2 (n − 1) + (n − 1)(n − 2) = n² − n + 5
    >>> _extend(PolynomialFraction(differences[0]), count, differences[1:])
    PolynomialFraction(terms={(): 5, ((0, 1),): -1, ((0, 2),): 1}, denominator=1)

The result must equal that of a run at the true counts (`_figures_agree`); otherwise only networks with the same counts
share it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import NamedTuple

from analyzer.sweep.tracing.multiset import GeneralMultiset
from analyzer.sweep.tracing.polynomial import Atoms, Terms, constant, plus, polynomial_key, scale, times
from analyzer.sweep.tracing.symbol import Condition
from analyzer.sweep.tracing.symbolic_run import FIGURES, MultisetReaders, NetworkStructure, SymbolicRun, TraceSource

_MAX_ORDER = 4


class PolynomialFraction(NamedTuple):
    """A polynomial over a whole number, which always divides it."""

    terms: Terms
    denominator: int = 1


@dataclass(frozen=True, slots=True)
class TracedNetworks:
    """Figures that hold where all conditions do; without figures, no such network is possible, for the `reason`."""

    conditions: tuple[Condition, ...]
    figures: Mapping[str, PolynomialFraction]
    multisets: Mapping[str, "GeneralMultiset"]
    reason: str = ""


def trace_networks(
    atoms: Atoms,
    structure: NetworkStructure,
    bounds: dict[str, tuple[int, int]],
    values: Mapping[str, int],
    readers: MultisetReaders = (),
) -> TracedNetworks:
    """The figures of the candidates that take the branches of the one whose varying fields have these values."""
    exact = TraceSource(atoms, structure, dict(bounds), dict(values), readers, (), {})
    true = exact.run()
    counted = tuple(str(atoms.items[atom]) for atom in true.tape.counted)
    if not counted:
        return _exact_figures(exact, true)
    source = exact._replace(values=exact.values | dict.fromkeys(counted, 1), counted=counted, done={})
    base = source.run()
    if true.reason and base.reason:
        return TracedNetworks(_shared_conditions([true, base], counted), {}, {}, true.reason)
    general = None if true.reason or base.reason else _general_figures(source, base)
    if general is None:
        return _exact_figures(exact, true)
    multisets = {name: GeneralMultiset(source, name, base) for name, _ in readers}
    if not _figures_agree(atoms, general[1], true) or not all(multiset.agrees(true) for multiset in multisets.values()):
        return _exact_figures(exact, true)
    return TracedNetworks(_shared_conditions([true, base, *general[0]], counted), general[1], multisets)


def _shared_conditions(runs: Sequence[SymbolicRun], counted: Sequence[str]) -> tuple[Condition, ...]:
    """The conditions under which all runs hold, but for those on counted fields alone that came out both ways."""
    true, *probes = runs
    atoms = true.tape.atoms
    counted_atoms = {atoms.index(name) for name in counted}
    conditions = dict(true.tape.conditions)
    for probe in probes:
        for condition in probe.tape.conditions:
            fields = atoms.fields(dict(condition.terms))
            if not fields & counted_atoms:
                conditions[condition] = None
            elif fields <= counted_atoms:
                conditions.pop(condition._replace(holds=not condition.holds), None)
    return tuple(conditions)


def _general_figures(
    source: TraceSource, base: SymbolicRun
) -> tuple[list[SymbolicRun], dict[str, PolynomialFraction]] | None:
    """The figures as polynomials in what is counted, by finite differences from one on (Newton's series).

    Each counted field adds a polynomial: repeated blocks equal costs, dense layers ever more. None where a run fails or
    the differences do not end. The caller compares the result with the run at the true counts.
    """
    runs: list[SymbolicRun] = []
    figures = {name: PolynomialFraction(terms) for name, terms in base.figures.items()}
    for field in source.counted:
        table, differences = [base.figures], dict[str, list[Terms]]()
        while len(table) <= _MAX_ORDER:
            run = source.run(**{field: len(table) + 1})
            if run.reason:
                return None
            runs.append(run)
            table.append(run.figures)
            differences = {name: _differences([row[name] for row in table]) for name in FIGURES}
            if not any(orders[-1] for orders in differences.values()):
                break
        else:
            return None
        steps: Terms = {((source.atoms.index(field), 1),): 1}
        figures = {name: _extend(figures[name], steps, differences[name][1:]) for name in FIGURES}
    return runs, figures


def _differences(values: list[Terms]) -> list[Terms]:
    """The first of the values, of their differences, of those differences, and so on."""
    leading = []
    while values:
        leading.append(values[0])
        values = [plus(after, before, -1) for before, after in pairwise(values)]
    return leading


def _extend(figure: PolynomialFraction, count: Terms, differences: Sequence[Terms]) -> PolynomialFraction:
    """The figure and, for each order k, the binomial coefficient of count − 1 over k times the k-th difference."""
    terms, denominator = figure
    falling, factorial = constant(1), 1
    for order, difference in enumerate(differences, 1):
        falling = times(falling, plus(count, constant(-order)))
        factorial *= order
        if difference:
            common = denominator * factorial // gcd(denominator, factorial)
            added = scale(times(falling, difference), common // factorial)
            terms, denominator = plus(scale(terms, common // denominator), added), common
    return _reduce(terms, denominator)


def _reduce(terms: Terms, denominator: int) -> PolynomialFraction:
    common = gcd(denominator, *terms.values())
    return PolynomialFraction(
        {monomial: coefficient // common for monomial, coefficient in terms.items()}, denominator // common
    )


def _figures_agree(atoms: Atoms, figures: Mapping[str, PolynomialFraction], true: SymbolicRun) -> bool:
    """Whether general figures at the true counts are, as polynomials, those of the run at the true counts."""
    counts = true.tape.counted
    return all(
        atoms.substituted(figures[name].terms, counts)
        == scale(atoms.substituted(true.figures[name], counts), figures[name].denominator)
        for name in FIGURES
    )


def _exact_figures(source: TraceSource, true: SymbolicRun) -> TracedNetworks:
    """The run's own figures, for candidates with the same counts."""
    counts = [
        Condition(polynomial_key({((atom, 1),): 1} | constant(-value)), "=", True)
        for atom, value in true.tape.counted.items()
    ]
    figures = {name: PolynomialFraction(terms) for name, terms in true.figures.items()}
    multisets = {name: GeneralMultiset(source, name, true) for name in true.multisets}
    return TracedNetworks((*true.tape.conditions, *counts), figures, multisets, true.reason)
