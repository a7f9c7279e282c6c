"""docs/latency-prediction.md: what the fit reached, beside what was aimed at and what simpler rules give."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analyzer.latency.fit.baselines import baselines
from analyzer.latency.fit.judge import Judged, Part, family_left_out, small_batches
from analyzer.latency.fit.prose import HEAD, LIMITS, MODEL, PROVENANCE
from analyzer.latency.fit.search import Fitted
from analyzer.latency.fit.stages import stage_errors
from analyzer.latency.fit.tables import EXCLUDED

DOCUMENT = Path(__file__).parents[3] / "docs" / "latency-prediction.md"


def document(
    known: Fitted,
    facts: dict[str, Any],
    fits: Sequence[Part],
    validated: dict[str, Judged],
    across: Sequence[Judged],
    covered: dict[str, float],
) -> str:
    """The whole document; every number in its tables is computed here."""
    small = small_batches(known)
    parts = [
        HEAD,
        "## What it reaches\n\n" + _summary(validated, across, small, covered),
        "## Cross-validated by model name\n\n" + _validated(validated),
        "## A family left out\n\n" + _families(fits),
        "## Devices that the fit has not seen\n\n" + _across(across),
        "## Small batches\n\n" + _small(small, known),
        "## Intervals\n\n" + _intervals(facts["intervals"], covered, known),
        MODEL,
        "## The fitted numbers\n\n" + _numbers(known),
        LIMITS,
        PROVENANCE,
        "## timm's networks left out\n\n" + table(["networks", "why"], ([f"`{k}`", v] for k, v in EXCLUDED.items())),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    body = [list(row) for row in rows]
    right = [all(row[column][:1] in "0123456789−±" for row in body) for column in range(len(heads))]
    marks = ["--:" if flush else ":--" for flush in right]
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(heads), marks, *body])


def _per_cent(value: float, places: int = 1) -> str:
    return f"{value:.{places}f}".replace("-", "−")


def _summary(
    validated: dict[str, Judged], across: Sequence[Judged], small: Sequence[Judged], covered: dict[str, float]
) -> str:
    gpu = validated["GPU inference"]
    compiled = gpu.where("", lambda case: case.run.compiled)
    eager = gpu.where("", lambda case: not case.run.compiled)
    rows = [
        ("known GPU, compiled: mean error", f"{_per_cent(compiled.mean)} %", "3 %"),
        ("known GPU, compiled: rows within 10 %", f"{_per_cent(compiled.within)} %", "97 %"),
        ("known GPU, eager: mean error", f"{_per_cent(eager.mean)} %", "4.5 %"),
        *[(f"{each.title}: mean error", f"{_per_cent(each.mean)} %", "8 %") for each in across[:3]],
        *[
            (f"{each.title}, resnet50 given", f"{_per_cent(each.given('resnet50').mean)} %", "4 %")
            for each in across[:3]
        ],
        *[(f"{each.title}: Spearman", f"{spearman(each):.4f}", "0.995") for each in across[:3]],
        ("training step, RTX 3090", f"{_per_cent(validated['training step'].mean)} %", "6 %"),
        *[(each.title, f"{_per_cent(each.mean)} %", "15 %") for each in small],
        ("CPU, compiled", f"{_per_cent(validated['CPU inference'].mean)} %", "8 %"),
        ("held-out rows within the 90 % interval, pooled", f"{_per_cent(covered['all, pooled'])} %", "85–95 %"),
    ]
    return table(["", "reached", "aimed at"], rows)


def spearman(judged: Judged) -> float:
    """Rank correlation of predicted and published times."""
    published = np.array([np.log(case.batch_ms / case.run.batch_size) for case in judged.cases])
    ranks = [np.argsort(np.argsort(values)) for values in (published, published + judged.errors)]
    return float(np.corrcoef(*ranks)[0, 1])


def _row(judged: Judged, title: str = "") -> list[str]:
    figures = (judged.mean, judged.bias, judged.within)
    return [title or judged.title, str(len(judged.cases)), *[_per_cent(figure) for figure in figures]]


_HEADS = ["", "rows", "mean error %", "bias %", "within 10 %"]


def _validated(validated: dict[str, Judged]) -> str:
    text = []
    for title, judged in validated.items():
        names = sorted({case.table for case in judged.cases})
        tables = [_row(judged.where(name, lambda case, name=name: case.table == name)) for name in names]  # type: ignore[misc]
        own = [_row(judged, "**this model**"), *map(_row, baselines(judged))]
        text.append(f"### {title}\n\n{table(_HEADS, [*own, *tables])}")
    return "\n\n".join(text)


def _families(fits: Sequence[Part]) -> str:
    rows = []
    for part in fits:
        judged = family_left_out(part)
        for family in sorted({case.family for case in judged.cases}):
            chosen = judged.where(family, lambda case, family=family: case.family == family)  # type: ignore[misc]
            rows.append(_row(chosen, f"{part.title}, {family}"))
    return table(_HEADS, rows)


def _across(across: Sequence[Judged]) -> str:
    rows = []
    for judged in across:
        given = judged.given("resnet50")
        figure = _per_cent(given.mean) if len(given.cases) else "–"
        rows.append([*_row(judged), figure, f"{spearman(judged):.4f}"])
    return table([*_HEADS, "mean with resnet50 given %", "Spearman"], rows)


def _small(small: Sequence[Judged], known: Fitted) -> str:
    lead = (
        f"The host's cost, {known.host_us:g} µs a call, is the median over the V100's rows up to batch 8. A network takes\n"
        "max(its kernels' time, calls × host cost). The T4's rows are used for nothing.\n\n"
    )
    return lead + table(_HEADS, map(_row, small))


def _intervals(intervals: dict[str, float], covered: dict[str, float], known: Fitted) -> str:
    errors = 100 * np.abs(np.expm1(stage_errors(known)))
    lead = "Half widths of the 90 % intervals, and how many held-out rows lie within intervals drawn from other rows alone.\n\n"
    widths = table(
        ["evidence", "half width"],
        ([name, f"± {_per_cent(100 * (np.exp(width) - 1))} %"] for name, width in intervals.items()),
    )
    shares = table(["rows", "covered %"], ([name, _per_cent(value)] for name, value in covered.items()))
    stages = (
        f"Stages are far less certain than the whole: over {len(errors)} stages of our own H100 kernel traces, a stage's share is\n"
        f"{_per_cent(float(np.mean(errors)))} % off in the mean. `stage` is what that adds to the whole's interval."
    )
    return f"{lead}{widths}\n\n{shares}\n\n{stages}"


def _numbers(known: Fitted) -> str:
    names = list(known.classes["gpu"]._asdict())
    rows = [[f"`{name}`", *[f"{value:g}" for value in eff]] for name, eff in known.classes.items()]
    return table(["class", *[f"`{name}`" for name in names]], rows)
