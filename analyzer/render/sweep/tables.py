"""A design space's summary, Pareto front and nearest networks, as text, CSV and JSON."""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from analyzer.families.network import Size
from analyzer.latency.predict.devices import device_named
from analyzer.latency.run_settings import PRECISIONS
from analyzer.sweep.results.nearest import NearCandidate, NearestNetworks, Target, own_figure
from analyzer.sweep.results.summary import Columns, Summary
from analyzer.sweep.space.expression import LATENCY_COLUMN, latency_parts
from analyzer.sweep.space.space import Space
from analyzer.text.units import exact, short

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
_TITLES = {"params": "parameters", "macs": "MACs", "flops": "FLOPs", "memory_bytes": "memory"}
_RUN_WORDS = {
    "cuda_graph": "CUDA graph",
    "channels_last": "channels last",
    "nhwc": "channels last",
    "train": "training",
}
_HIDDEN = ("index", "input_height", "input_width")


def column_title(column: str) -> str:
    """A column's name as people read it: latency_ms:L4@8 as "L4, batch 8, float32, ms"."""
    if column.startswith(LATENCY_COLUMN):
        device, batch, words = latency_parts(column)
        words_shown = [] if set(words) & set(PRECISIONS) else ["float32"]
        words_shown += [_RUN_WORDS.get(word, word) for word in words]
        return ", ".join([device_named(device).name, f"batch {batch}", *words_shown, "ms"])
    return _TITLES.get(column, column)


def summary_text(summary: Summary, table: TableWriter, limit: int) -> str:
    """What the space is, between which figures its networks lie, and the first rows of the front."""
    space = summary.space
    drawn = f" drawn from {_large_count(space.grid_size)} with seed {space.seed}" if space.samples is not None else ""
    lines = [
        f"{space.title} ({space.family}, {space.fingerprint}): {exact(space.size)} candidates{drawn}, "
        f"{exact(summary.networks)} networks{' within the constraints' if space.constraints else ''}.",
        "",
        _ranges(summary, table),
        "",
        _front_words(summary, limit),
        "",
        _front(summary, table, limit),
    ]
    return "\n".join(lines)


def _large_count(count: int) -> str:
    return exact(count) if count < 10**15 else f"{count:.2e}"


def _ranges(summary: Summary, table: TableWriter) -> str:
    rows = [[column_title(name), _cell(name, low), _cell(name, high)] for name, (low, high) in summary.ranges.items()]
    return table(["figure", "least", "most"], rows, "lrr")


def _front_words(summary: Summary, limit: int) -> str:
    count = len(summary.front["index"])
    wanted = ", ".join(f"{'more' if more else 'fewer'} {column_title(name)}" for name, more in summary.objectives)
    shown = f"; the first {limit} are shown" if count > limit else ""
    beaten = "network that no other beats" if count == 1 else "networks that no other beats"
    return f"Pareto front ({wanted}): {exact(count)} {beaten}{shown}."


def _front(summary: Summary, table: TableWriter, limit: int) -> str:
    front = summary.front
    figures = [name for name in summary.ranges if name in front]
    rows = [
        [expression, *(_cell(name, front[name][row].item()) for name in figures)]
        for row, expression in enumerate(_expressions(summary.space, front, limit))
    ]
    return table(["network", *map(column_title, figures)], rows, "l" + "r" * len(figures))


def _expressions(space: Space, columns: Columns, limit: int | None = None) -> list[str]:
    """Each row's variant expression, with its input size where the space has several."""
    expressions = []
    for index in islice(columns["index"].tolist(), limit):
        size = f" at {_size(space.input_size(index))}" if len(space.input_sizes) > 1 else ""
        expressions.append(space.expression(index) + size)
    return expressions


def _size(size: Size) -> str:
    return f"{size[0]}×{size[1]}" if isinstance(size, tuple) else str(size)


def _cell(name: str, value: int | float) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return exact(value) if name in ("params", "depth") else short(value, 4)


def summary_csv(summary: Summary) -> str:
    """The front with every column, one row a network."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    front = summary.front
    writer.writerow(["network", *front])
    for expression, *row in zip(
        _expressions(summary.space, front), *(column.tolist() for column in front.values()), strict=True
    ):
        writer.writerow([expression, *row])
    return out.getvalue()


def summary_facts(summary: Summary) -> dict[str, Any]:
    """The JSON object of `sweep --format json`, valid against schemas/sweep-1.json."""
    front = summary.front
    rows = zip(*(column.tolist() for column in front.values()), strict=True)
    return {
        "schema": 1,
        "space": _space_facts(summary.space),
        "networks": summary.networks,
        "ranges": {name: {"least": low, "most": high} for name, (low, high) in summary.ranges.items()},
        "objectives": [{"column": name, "more_is_better": more} for name, more in summary.objectives],
        "front": [
            {"network": expression} | dict(zip(front, row, strict=True))
            for expression, row in zip(_expressions(summary.space, front), rows, strict=True)
        ],
    }


def _space_facts(space: Space) -> dict[str, Any]:
    return {
        "title": space.title,
        "family": space.family,
        "fingerprint": space.fingerprint,
        "candidates": space.size,
        "constraints": [constraint.text for constraint in space.constraints],
        "samples": space.samples,
        "seed": space.seed if space.samples is not None else None,
    }


def nearest_text(result: NearestNetworks, table: TableWriter) -> str:
    """What was wanted, and the nearest networks beside the one that they start from."""
    wanted = ", ".join(map(_target_text, result.targets))
    names = list(result.found[0].figures)
    own = [_cell(name, own_figure(result.base, name)) for name in names]
    head = [] if result.per is None else [result.per]
    first = [[*(["–"] if head else []), result.base.variant, *own, "–"]]
    rows = [_near_row(result, near, names) for near in result.found]
    heads = [*head, "network", *map(column_title, names), "worst off"]
    lines = [
        f"Nearest to {wanted}, of {exact(result.space.size)} candidates around {result.base.variant}:",
        "",
        table(heads, first + rows, "l" * (1 + len(head)) + "r" * (len(names) + 1)),
    ]
    ties = [f"{near.ties} more just as near" for near in result.found if near.ties]
    if ties:
        lines += ["", f"Ties: {'; '.join(ties)}; the first of the space is shown."]
    return "\n".join(lines)


def _target_text(target: Target) -> str:
    title, value = column_title(target.name), target.value
    if target.name.startswith(LATENCY_COLUMN):
        return f"{value:.4g} ms on {title.removesuffix(', ms')}"
    return f"{title} {exact(round(value)) if value < 1e6 else short(round(value), 4)}"


def _near_row(result: NearestNetworks, near: NearCandidate, names: list[str]) -> list[str]:
    group = [] if result.per is None else [str(near.group)]
    cells = [f"{_cell(name, near.figures[name])} ({_relative_change(result, near, name)})" for name in names]
    return [*group, result.space.expression(near.candidate), *cells, f"{100 * near.distance:.2f} %"]


def _relative_change(result: NearestNetworks, near: NearCandidate, name: str) -> str:
    own = own_figure(result.base, name)
    change = 100 * (near.figures[name] / own - 1)
    return "=" if near.figures[name] == own else f"{change:+.1f} %".replace("-", "−")


def nearest_facts(result: NearestNetworks) -> dict[str, Any]:
    """The JSON object of `sweep --nearest --format json`, valid against schemas/sweep-1.json."""
    return {
        "schema": 1,
        "space": _space_facts(result.space),
        "base": {"network": result.base.variant}
        | {name: own_figure(result.base, name) for name in result.found[0].figures},
        "targets": [{"figure": target.name, "value": target.value, "text": target.text} for target in result.targets],
        "per": result.per,
        "nearest": [
            {"network": result.space.expression(near.candidate), "index": near.candidate, "distance": near.distance}
            | {"ties": near.ties, "group": near.group, "figures": near.figures}
            for near in result.found
        ],
    }


def nearest_csv(result: NearestNetworks) -> str:
    """One row a network."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = list(result.found[0].figures)
    writer.writerow([result.per or "group", "network", *names, "distance", "ties"])
    for near in result.found:
        figures = [near.figures[name] for name in names]
        writer.writerow([near.group, result.space.expression(near.candidate), *figures, near.distance, near.ties])
    return out.getvalue()
