"""What moved against a baseline: as a table for the terminal, JSON, markdown for a pull request, GitHub annotations."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from analyzer.baseline.baseline import BudgetExcess, CheckResult, FigureChange, MovedOp
from analyzer.text.units import exact

_HEADS = ("network", "where", "quantity", "old", "new", "difference", "%")
_MAX_ROWS = 200
"""Rows of a comment; GitHub takes 65,536 characters."""


def change_table(changes: Sequence[FigureChange]) -> str:
    """A table of old, new, difference and per cent, one row a fact."""
    from analyzer.text.tables import terminal_table  # only a difference needs it

    return terminal_table(_HEADS, [_cells(change) for change in changes], "lllrrrr")


def _cells(change: FigureChange) -> list[str]:
    ends = [_value(change.old), _value(change.new)]
    return [
        change.network,
        change.place,
        change.quantity.replace("_", " "),
        *ends,
        *_difference(change.old, change.new),
    ]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return exact(value) if isinstance(value, int) else _shape_text(str(value))


def _shape_text(text: str) -> str:
    """A baseline's "64x56x56" as people read it."""
    return re.sub(r"(?<=[0-9])x(?=[0-9])", "×", text)


def _difference(old: Any, new: Any) -> tuple[str, str]:
    if not (isinstance(old, int) and isinstance(new, int)):
        return "", ""
    if not old:
        return f"{new - old:+,}", ""
    share = 100 * (new - old) / old
    return f"{new - old:+,}", f"{share:+.2f}" if abs(share) >= 0.005 else "< 0.01"


def update_text(path: str, num_entries: int, changes: Sequence[FigureChange]) -> str:
    """What an update of a baseline did: entries that came and went, one line each, and the facts that changed."""
    entries = list(_by_network(changes))
    came = [key for key, facts in entries if all(fact.old is None for fact in facts)]
    went = [key for key, facts in entries if all(fact.new is None for fact in facts)]
    moved = [change for change in changes if change.network not in {*came, *went}]
    lines = [f"{path}: {exact(num_entries)} network{'' if num_entries == 1 else 's'}, {exact(len(entries))} changed."]
    lines += [*(f"added {key}" for key in came), *(f"removed {key}" for key in went)]
    return "\n".join([*lines, *([change_table(moved)] if moved else [])])


def first_op_lines(moved: Sequence[MovedOp]) -> list[str]:
    """One line for each network: the first op that differs."""
    return [
        f"{item.network}: the first op that differs is {item.path} ({item.stage}), now {_shape_text(item.now)}"
        for item in moved
    ]


def verdict_text(verdict: CheckResult, baseline: str) -> str:
    """For the terminal: a sentence, and where something moved, the facts, the first ops, the budgets exceeded."""
    outcome = verdict.outcome
    parts = [f"{_sentence(verdict, baseline)}."]
    if outcome.changes:
        parts.append(change_table(outcome.changes))
    lines = [*first_op_lines(outcome.moved), *(f"{item.network}: {_excess_words(item)}" for item in verdict.excess)]
    return "\n\n".join([*parts, *(["\n".join(lines)] if lines else [])])


def _sentence(verdict: CheckResult, baseline: str) -> str:
    count = verdict.outcome.num_networks
    networks = f"{exact(count)} network{'' if count == 1 else 's'}"
    within = f", {_within(verdict.tolerated)}" if verdict.tolerated else ""
    if verdict.passed:
        return f"{networks} agree{'s' if count == 1 else ''} with {baseline}{within}"
    failed = {change.network for change in verdict.outcome.changes}
    over = {item.network for item in verdict.excess}
    words = [f"{exact(len(failed))} of {networks} differ{'s' if len(failed) == 1 else ''} from {baseline}{within}"]
    words += [f"{exact(len(over))} of {networks} {'is' if len(over) == 1 else 'are'} over budget"] if over else []
    return "; ".join(words if failed else words[1:])


def _within(count: int) -> str:
    return "1 fact within its tolerance" if count == 1 else f"{exact(count)} facts within their tolerance"


def _excess_words(excess: BudgetExcess) -> str:
    if excess.interval_ms is not None:
        return _latency_words(excess, *excess.interval_ms)
    figure, budget = int(excess.figure), int(excess.budget)
    share = f", {100 * (figure - budget) / budget:+.2f} %" if budget else ""
    return f"{excess.quantity} {exact(figure)} are over the budget of {exact(budget)} ({figure - budget:+,}{share})"


def _latency_words(excess: BudgetExcess, low: float, high: float) -> str:
    """What is predicted, how sure it is, and whether the budget lies within that."""
    from analyzer.text.units import duration

    share = f" (+{100 * (excess.figure - excess.budget) / excess.budget:.3g} %)" if excess.budget else ""
    within = ", which holds the budget" if low <= excess.budget else ", all of it above the budget"
    return (
        f"{excess.quantity} is predicted at {duration(excess.figure)}, over the budget of {duration(excess.budget)}"
        f"{share}; 90 % interval {duration(low)} to {duration(high)}{within}; evidence: {excess.evidence}"
    )


def verdict_json(verdict: CheckResult, baseline: str) -> str:
    """One JSON object, valid against schemas/check-1.json."""
    outcome = verdict.outcome
    document = {
        "schema": 1,
        "passed": verdict.passed,
        "baseline": baseline,
        "num_networks": outcome.num_networks,
        "tolerated": verdict.tolerated,
        "changes": [_change_facts(change) for change in outcome.changes],
        "first_ops": [moved._asdict() for moved in outcome.moved],
        "over_budget": [_excess_facts(excess) for excess in verdict.excess],
    }
    return json.dumps(document, ensure_ascii=False)


def _change_facts(change: FigureChange) -> dict[str, object]:
    old, new = change.old, change.new
    delta = new - old if isinstance(old, int) and isinstance(new, int) else None
    return change._asdict() | {"delta": delta, "percent": 100 * delta / old if delta is not None and old else None}


def _excess_facts(excess: BudgetExcess) -> dict[str, object]:
    """Its fields; only a latency has an interval and evidence."""
    return {name: value for name, value in excess._asdict().items() if value not in (None, "")}


def verdict_markdown(verdict: CheckResult, baseline: str) -> str:
    """A comment for a pull request: the first ops in the open, the facts folded."""
    from analyzer.text.tables import markdown_table

    outcome = verdict.outcome
    parts = [f"### {'✅' if verdict.passed else '❌'} {_sentence(verdict, f'`{baseline}`')}"]
    lines = [
        f"- `{item.network}`: the first op that differs is `{item.path}` ({item.stage}), now `{_shape_text(item.now)}`"
        for item in outcome.moved
    ]
    lines += [f"- `{excess.network}`: {_excess_words(excess)}" for excess in verdict.excess]
    if lines:
        parts.append("\n".join(lines[:_MAX_ROWS]))
    if outcome.changes:
        rows = [[f"`{name}`", *rest] for name, *rest in map(_cells, outcome.changes[:_MAX_ROWS])]
        more = len(outcome.changes) - len(rows)
        title = f"{exact(len(outcome.changes))} facts moved" + (f", the first {_MAX_ROWS} of them" if more else "")
        table = markdown_table(_HEADS, rows, "lllrrrr")
        parts.append(f"<details open><summary>{title}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts)


def github_annotations(verdict: CheckResult, baseline: str, text: str) -> str:
    """GitHub's annotations, one a network, at its first moved fact's line in the baseline, whose `text` is given."""
    outcome = verdict.outcome
    lines = _FactLines(text)
    commands = (
        [f"::notice file={_property(baseline)}::{_data(_sentence(verdict, baseline))}."] if verdict.passed else []
    )
    for network, changes in _by_network(outcome.changes):
        first = next((item for item in outcome.moved if item.network == network), None)
        words = [*first_op_lines([first] if first else []), *(_change_words(change) for change in changes)]
        commands.append(_github_error(baseline, lines.of(changes[0]), f"{network} moved", "\n".join(words)))
    for excess in verdict.excess:
        line = lines.of(FigureChange(excess.network, "total", excess.quantity, None, None))
        commands.append(_github_error(baseline, line, f"{excess.network} is over budget", _excess_words(excess)))
    return "\n".join(commands)


def _by_network(changes: Sequence[FigureChange]) -> Iterator[tuple[str, list[FigureChange]]]:
    for network in dict.fromkeys(change.network for change in changes):
        yield network, [change for change in changes if change.network == network]


def _change_words(change: FigureChange) -> str:
    _, place, quantity, old, new, delta, share = _cells(change)
    return f"{place} {quantity}: {old} → {new}" + (f" ({delta}{f', {share} %' if share else ''})" if delta else "")


def _github_error(file: str, line: int, title: str, words: str) -> str:
    return f"::error file={_property(file)},line={line},title={_property(title)}::{_data(words)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class _FactLines:
    """Where each fact stands in a baseline file."""

    def __init__(self, text: str) -> None:
        self._lines = [line.strip() for line in text.splitlines()]

    def of(self, change: FigureChange) -> int:
        """The line of a fact, else of its stage, else of its network, else the first."""
        names = [change.network, *([] if change.place == "total" else [change.place]), change.quantity]
        line = 0
        for name in names:
            start = json.dumps(name, ensure_ascii=False) + ":"
            line = next(
                (number for number in range(line, len(self._lines)) if self._lines[number].startswith(start)), line
            )
        return line + 1
