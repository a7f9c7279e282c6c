"""The baseline that a CI compares with: what each network was, and what changed since."""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.walk import CostCache, OpCost
from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Size, parse_size_or_none, size_of_sides, size_text
from analyzer.files import write_whole
from analyzer.graph.graph import Graph, op_text

SCHEMA = 1
_STAGE_QUANTITIES = ("output_shape", "params", "macs", "activations")
_TOTAL_QUANTITIES = ("params", "macs", "activations")
MODULE_TOTALS = ("input_shape", "output_shape", "params", "buffers", "macs")
MODULE_QUANTITIES = ("kind", "output_shape", "params", "buffers", "macs")
"""Facts of a sub-module; params, buffers and MACs are its own, without those of the modules in it."""
_TEXT_QUANTITIES = ("kind", "input_shape", "output_shape")
Facts = dict[str, Any]


class FigureChange(NamedTuple):
    """One fact that moved: where (a stage, or "total"), what, and its values; None where there was or is none."""

    network: str
    place: str
    quantity: str
    old: Any
    new: Any


class MovedOp(NamedTuple):
    """The first op that differs in a network: its stage, weight path, and what it is now."""

    network: str
    stage: str
    path: str
    now: str


class Outcome(NamedTuple):
    """What a comparison shows: the number of networks, every fact that moved, the first op that differs in each."""

    num_networks: int
    changes: tuple[FigureChange, ...]
    moved: tuple[MovedOp, ...]


class BudgetExcess(NamedTuple):
    """A network's figure that is over its budget; a predicted latency is in milliseconds and has an interval."""

    network: str
    quantity: str
    budget: float
    figure: float
    interval_ms: tuple[float, float] | None = None
    evidence: str = ""


class CheckResult(NamedTuple):
    """An outcome after tolerances, of which `tolerated` facts made use, and the budgets that are exceeded."""

    outcome: Outcome
    excess: tuple[BudgetExcess, ...] = ()
    tolerated: int = 0

    @property
    def passed(self) -> bool:
        """Whether nothing moved beyond its tolerance and nothing is over its budget."""
        return not (self.outcome.changes or self.outcome.moved or self.excess)


class Baseline(NamedTuple):
    """A baseline file: the described networks, and people's own modules (`check --module`), by their keys."""

    networks: dict[str, Facts]
    modules: dict[str, Facts]


def key_of(analysis: Analysis) -> str:
    """`EXPRESSION@SIZE`, or `FILE.toml@SIZE`, the name of a network in a baseline."""
    _, height, width = analysis.input_shape
    source = analysis.network.path or analysis.variant
    return f"{source}@{size_text(size_of_sides(height, width))}"


def analysis_of(key: str, costed: CostCache | None = None) -> Analysis:
    """The analysis that `EXPRESSION` or `EXPRESSION@SIZE` names, or a TOML file's; InvalidInput where it names none."""
    expression, at, size = key.rpartition("@") if "@" in key else (key, "", "")
    sides = parse_key_size(key, size) if at else None
    if not expression.endswith(".toml"):
        return analyze(expression, sides, costed)
    from analyzer.families.toml_file import network_at  # seldom needed

    return analyze(network_at(expression), sides, costed)


def parse_key_size(key: str, text: str) -> Size:
    """`224` or `320x256`; InvalidInput, which names the key, for another text."""
    size = parse_size_or_none(text)
    if size is None:
        raise InvalidInput(f"network {shortened(key)!r}: after @ stands an input size such as 224 or 320x256.")
    return size


def facts(analysis: Analysis) -> Facts:
    """What a baseline has of a network: fingerprint, totals, and each stage's shape, costs and op check sums."""
    network_facts = _figures(analysis)
    for stage in network_facts["stages"].values():
        stage["ops"] = ""
    for row, wiring in zip(analysis.rows, _wiring(analysis.network.graph), strict=True):
        network_facts["stages"][row.stage]["ops"] += _op_sum(row, wiring)
    return network_facts


def _wiring(graph: Graph) -> Iterator[str]:
    """What each op reads, in execution order; the first op of a sub-graph has what the sub-graph reads, too."""
    for node in graph.nodes:
        read = ",".join(node.inputs)
        if isinstance(node.op, Graph):
            first, *others = _wiring(node.op)
            yield f"{read}/{first}"
            yield from others
        else:
            yield read


def _figures(analysis: Analysis) -> Facts:
    """The facts without the op check sums, which cost the most and move only where the fingerprint or a figure does."""
    stages = {
        stage.stage: {
            "output_shape": "x".join(map(str, stage.output_shape)),
            "params": stage.params,
            "macs": stage.macs,
            "activations": stage.activations,
        }
        for stage in analysis.stages
    }
    totals = {name: getattr(analysis, name) for name in _TOTAL_QUANTITIES}
    return {"fingerprint": analysis.fingerprint, **totals, "stages": stages}


def _op_sum(row: OpCost, wiring: str) -> str:
    """Four hexadecimal digits of an op, its path, what it reads and its output shape."""
    text = f"{row.path} {op_text(row.operation)} {wiring} {row.output_shape}"
    return f"{zlib.crc32(text.encode()) & 0xFFFF:04x}"


@cache
def _validator(modules: bool) -> Callable[[Any], Any]:
    """A function that checks a document; rules for `modules`, slow to compile, are in it only where there are some."""
    import fastjsonschema  # only a baseline that is read needs it

    text = (Path(__file__).parents[1] / "schemas" / "baseline-1.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    if not modules:
        del schema["properties"]["modules"]
    validate: Callable[[Any], Any] = fastjsonschema.compile(schema)
    return validate


def read_networks(path: Path) -> dict[str, Facts]:
    """The networks of a baseline file; InvalidInput as `load_baseline` raises it."""
    return load_baseline(path).networks


def load_baseline(path: Path) -> Baseline:
    """A baseline file; InvalidInput with one sentence where it cannot be read, parsed or validated."""
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        raise InvalidInput(f"baseline {path}: does not exist; write one with `check --update`.") from None
    except OSError as error:
        raise InvalidInput(f"baseline {path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"baseline {path}: {_damage(path, error)}.") from None
    newer = document.get("schema") if isinstance(document, dict) else None
    if isinstance(newer, int) and newer > SCHEMA:
        raise InvalidInput(
            f"baseline {path}: schema {newer} is newer than this program's {SCHEMA}; update resnet-analyzer."
        )
    return _validate(path, document)


class _DuplicateKey(ValueError):
    """An object that names one thing twice, as a careless merge leaves it; plain JSON would drop the first."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKey(f"has {shortened(repeated)!r} twice; keep one of them, or run `check --update`")
    return document


def _damage(path: Path, error: Exception) -> str:
    """What is wrong with a file that does not parse."""
    if isinstance(error, _DuplicateKey):
        return str(error)
    lines = path.read_bytes().splitlines()
    marked = next((number for number, line in enumerate(lines, 1) if line.startswith((b"<<<<<<<", b">>>>>>>"))), 0)
    if marked:
        return f"is no JSON, for it has a merge's conflict marker in line {marked}; resolve it first"
    return f"is no JSON ({shortened(error, 80)}); take it from version control again"


def _validate(path: Path, document: Any) -> Baseline:
    import fastjsonschema

    try:
        valid = _validator(modules=isinstance(document, dict) and "modules" in document)(document)
    except fastjsonschema.JsonSchemaException as error:
        raise InvalidInput(f"baseline {path}: {shortened(error, 160)}.") from None
    return Baseline(valid["networks"], valid.get("modules", {}))


def write_baseline(path: Path, networks: dict[str, Facts], modules: dict[str, Facts] | None = None) -> None:
    """Replace a baseline file at once: networks and modules by name, one fact a line."""
    document: Facts = {"schema": SCHEMA, "networks": dict(sorted(networks.items()))}
    if modules:
        document["modules"] = dict(sorted(modules.items()))
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Lock the file's folder while the file is read and written; a killed run releases it, and nothing is left behind.

    Where the system has no such locks (Windows) runs take no turns.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
    except OSError as error:
        raise InvalidInput(f"baseline {path}: cannot be written ({error.strerror}); nothing was changed.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def current_facts(keys: Iterable[str]) -> dict[str, Facts]:
    """The facts of networks as they are now, by their canonical keys."""
    costed: CostCache = {}
    analyses = (analysis_of(key, costed) for key in keys)
    return {key_of(analysis): facts(analysis) for analysis in analyses}


def check_networks(networks: dict[str, Facts]) -> Outcome:
    """Derive every network of a baseline again and compare all its facts."""
    changes: list[FigureChange] = []
    moved: list[MovedOp] = []
    costed: CostCache = {}
    for key, old in networks.items():
        try:
            analysis = analysis_of(key, costed)
        except InvalidInput as error:
            changes.append(FigureChange(key, "total", "network", "described", f"no longer described: {error}"))
            continue
        outcome = check_network(key, old, analysis)
        changes += outcome.changes
        moved += outcome.moved
    return Outcome(len(networks), tuple(changes), tuple(moved))


def check_network(key: str, old: Facts, analysis: Analysis) -> Outcome:
    """Compare an analysis with what a baseline has of it."""
    changes = tuple(network_changes(key, old, _figures(analysis)))
    return Outcome(1, changes, tuple(_first_moved_op(key, old, analysis)) if changes else ())


def network_changes(key: str, old: Facts | None, new: Facts | None) -> Iterator[FigureChange]:
    """Every fact of a network that moved: stage by stage, then the totals."""
    before, after = old or {"stages": {}}, new or {"stages": {}}
    for stage in dict.fromkeys([*before["stages"], *after["stages"]]):
        old_stage, new_stage = before["stages"].get(stage, {}), after["stages"].get(stage, {})
        yield from _differing_figures(key, stage, _STAGE_QUANTITIES, old_stage, new_stage)
    yield from _differing_figures(key, "total", _TOTAL_QUANTITIES, before, after)
    yield from _differing_figures(key, "total", ("fingerprint",), before, after)


def _differing_figures(key: str, place: str, names: tuple[str, ...], old: Facts, new: Facts) -> Iterator[FigureChange]:
    for name in names:
        if old.get(name) != new.get(name):
            yield FigureChange(key, place, name, old.get(name), new.get(name))


def _first_moved_op(key: str, old: Facts, analysis: Analysis) -> Iterator[MovedOp]:
    op_counts: dict[str, int] = {}
    for row, wiring in zip(analysis.rows, _wiring(analysis.network.graph), strict=True):
        offset = 4 * op_counts.setdefault(row.stage, 0)
        op_counts[row.stage] += 1
        if old["stages"].get(row.stage, {}).get("ops", "")[offset : offset + 4] != _op_sum(row, wiring):
            yield MovedOp(key, row.stage, row.path, _op_description(row, wiring))
            return
    for stage, old_stage in old["stages"].items():
        if len(old_stage["ops"]) > 4 * op_counts.get(stage, 0):
            yield MovedOp(key, stage, f"op {op_counts.get(stage, 0) + 1} of {stage}", "gone")
            return


def _op_description(row: OpCost, wiring: str) -> str:
    """What an op is: its numbers, its output shape, and what it reads where it reads several."""
    read = f" of {wiring}" if "," in wiring else ""
    return f"{op_text(row.operation)}{read} → {'×'.join(map(str, row.output_shape))}"


def check_module(key: str, old: Facts, new: Facts) -> Outcome:
    """Every fact of a module that moved, and the first sub-module that differs."""
    changes = tuple(module_changes(key, old, new))
    first = next((change.place for change in changes if change.place != "total"), None)
    moved = (
        ()
        if first is None
        else (MovedOp(key, _top_level_name(first), first, _module_description(new["modules"].get(first, {}))),)
    )
    return Outcome(1, changes, moved)


def module_changes(key: str, old: Facts | None, new: Facts | None) -> Iterator[FigureChange]:
    """Sub-modules in the order in which they finish, those that are gone after them, then the totals."""
    before, after = (old or {}).get("modules", {}), (new or {}).get("modules", {})
    for path in dict.fromkeys([*after, *before]):
        yield from _differing_modules(key, path, MODULE_QUANTITIES, before.get(path), after.get(path))
    yield from _differing_modules(key, "total", MODULE_TOTALS, old, new)


def _differing_modules(
    key: str, place: str, names: tuple[str, ...], old: Facts | None, new: Facts | None
) -> Iterator[FigureChange]:
    for name in names:
        values = _value(old, name), _value(new, name)
        if values[0] != values[1]:
            yield FigureChange(key, place, name, *values)


def _value(facts: Facts | None, name: str) -> Any:
    """A fact; one that is left out is zero, or nothing where there are no facts at all."""
    return None if facts is None else facts.get(name, None if name in _TEXT_QUANTITIES else 0)


def _top_level_name(path: str) -> str:
    return path.partition(".")[0]


def _module_description(facts: Facts) -> str:
    return f"{facts['kind']} → {facts.get('output_shape', 'not run')}" if facts else "gone"
