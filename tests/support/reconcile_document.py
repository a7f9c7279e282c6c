"""The text of docs/reconcile.md: every counting rule and known change, and how much of tests/published they explain."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.literature.counting_rules import CONVENTIONS
from analyzer.literature.reconcile import (
    BACKBONE,
    KNOWN_CHANGES,
    KNOWN_ERRORS,
    NEEDED_DIGITS,
    USUAL_NUM_CLASSES,
    USUAL_SIDES,
    Reconciliation,
    parse_printed_number,
    reconcile,
)
from analyzer.text.tables import markdown_table
from analyzer.text.units import exact, percent
from tests.support.oracles import PublishedEntry, analysis_at, published_entries

NOT_PRINTED = {"torchvision-hooks", "torch-flop-counter", "timm-hooks", "pytorchcv-hooks", "counted-by-hand"}
"""Sources that are runs or counts, and nobody's published table."""
BY_NAME = {"keras", "he-2015", "hu-2018", "bag-of-tricks-2019"}
"""Sources that call by a common name what torchvision builds in another way."""
_UNITS = {1: "", 10**6: "M", 10**9: "G", 2**20: "MiB"}
_PLAINEST = {"stride_on": "3x3", "conv_bias": False, "shortcut": "B"}


def published_totals() -> list[PublishedEntry]:
    """List the published totals that some rule is meant to give: parameters, FLOPs and activations."""
    printed = [entry for entry in published_entries("totals") if entry["source"] not in NOT_PRINTED]
    return [entry for entry in printed if entry["quantity"] in CONVENTIONS and entry["unit"] != str(2**20)]


def as_printed(entry: PublishedEntry) -> str:
    """The figure as a reader would type it: "4.1G", "25557032", "~7.8G"."""
    return f"{'~' if entry['printed'] == 'about' else ''}{entry['figure']}{_UNITS[int(entry['unit'])]}"


def reconciled_entry(entry: PublishedEntry) -> Reconciliation:
    """The published figure asked of the very network that it is of."""
    return reconcile(analysis_at(entry["expression"], entry["input"]), parse_printed_number(as_printed(entry)))


@cache
def named_network(expression: str) -> str:
    """The network that goes by the same name in torchvision: v1.5, option B, no biases; "" where it is this one."""
    spec = parse(expression)
    fields = {name: value for name, value in _PLAINEST.items() if name in spec.effective_fields()}
    if spec.effective_fields().get("shortcut") not in (None, "A", "B"):
        fields.pop("shortcut")
    if spec.family != "resnet" or spec.effective_fields()["stem"] == "cifar":
        return ""
    try:
        plainest = spec.with_fields(**fields)
    except InvalidInput:
        return ""
    return "" if plainest == spec else canonical(plainest)


def reconciled_by_name(entry: PublishedEntry) -> Reconciliation | None:
    """The published figure asked of the network that a reader who knows the name alone takes it to be of."""
    name = named_network(entry["expression"])
    if not name or entry["source"] not in BY_NAME:
        return None
    return reconcile(analysis_at(name, entry["input"]), parse_printed_number(as_printed(entry)))


def by_the_right_rule(entry: PublishedEntry, answer: Reconciliation) -> bool:
    """Whether the rule that the source counts by is among the answers, on the network that the figure is of."""
    spec = parse(entry["expression"])
    return any(entry["quantity"] in reading.conventions and reading.spec == spec for reading in answer.matches)


@dataclass
class Coverage:
    """How many of a source's figures are explained, by its own rule, and by the name of the network alone."""

    rows: int = 0
    explained: int = 0
    right: int = 0
    by_name: int = 0
    by_name_right: int = 0


@cache
def coverage() -> dict[str, Coverage]:
    """Every source's coverage; figures that are not applicable count as rows that are not explained."""
    by_source: dict[str, Coverage] = {}
    for entry in sorted(published_totals(), key=lambda entry: (entry["source"], entry["expression"], entry["input"])):
        source, answer = by_source.setdefault(entry["source"], Coverage()), reconciled_entry(entry)
        source.rows += 1
        source.explained += answer.explained
        source.right += by_the_right_rule(entry, answer)
        named = reconciled_by_name(entry)
        source.by_name += named is not None
        rules = {rule for reading in (named.matches if named else ()) for rule in reading.conventions}
        source.by_name_right += entry["quantity"] in rules
    for entry in published_entries("not_applicable"):
        if entry["network"] == "ours" and entry["quantity"] in CONVENTIONS:
            by_source[entry["source"]].rows += 1
    return by_source


_INTRODUCTION = """\
`analyzer reconcile VARIANT NUMBER` looks a number up in every reading of a network: each rule below, applied to the
network and to the others that go by its name. An exact number must agree to the unit, a rounded one in the digits
printed, rounded or cut off. This page is made by `pytest tests/literature/test_reconcile_coverage.py --update`."""
_DOUBT = """\
Few digits agree with many readings by accident, so that a far-fetched reading is believed of a long number only:"""
_COVERAGE = """\
The published figures of `tests/published/` whose network the fields of our families express. *Explained*: some reading
gives the number. *By its own rule*: the rule that the source counts by is among the readings given. *By name*: asked of
torchvision's network of that name where the source has another one (v1, biases, option A), and explained by that rule
all the same."""


def reconcile_page() -> str:
    """docs/reconcile.md."""
    return "\n\n".join(_parts()) + "\n"


def _parts() -> Iterator[str]:
    yield "# What a published number counts"
    yield _INTRODUCTION
    yield "## Rules"
    resnet50 = analyze("resnet50")
    rows = [
        [f"`{name}`", rule.kind, rule.description.replace("|", "/"), ", ".join(rule.tools), exact(rule.count(resnet50))]
        for name, rule in CONVENTIONS.items()
    ]
    yield markdown_table(["rule", "of", "what it counts", "who counts so", "ResNet-50 at 224"], rows, "llllr")
    yield "## Networks of one name"
    changes = [
        *dict.fromkeys(change for _, _, change in KNOWN_CHANGES),
        "2k channels after the stem of a DenseNet",
        BACKBONE,
    ]
    changes += [
        f"{', '.join(map(str, USUAL_NUM_CLASSES))} classes",
        f"an input of {', '.join(map(str, USUAL_SIDES))} pixels",
    ]
    yield "One change, or two that are not of the input:"
    yield "\n".join(f"- {change}" for change in changes)
    yield _DOUBT
    needed = [
        [str(changes), "plain" if plain else "of a tool", str(digits)]
        for (changes, plain), digits in NEEDED_DIGITS.items()
    ]
    yield markdown_table(["changes of the network", "rule", "significant digits needed"], needed, "rlr")
    yield "## Coverage"
    yield _COVERAGE
    yield markdown_table(
        ["source", "figures", "explained", "%", "by its own rule", "by name"], list(_coverage_rows()), "lrrrrr"
    )
    yield "## Known errors"
    known = [
        [f"`{error.variant}`", f"{error.published}{_UNITS[error.scale]}", error.source, error.note]
        for error in KNOWN_ERRORS
    ]
    yield markdown_table(["network", "printed", "where", "what is known"], known, "lrll")


def _coverage_rows() -> Iterator[list[str]]:
    by_source = coverage()
    total = Coverage()
    for name, part in by_source.items():
        for count in ("rows", "explained", "right", "by_name", "by_name_right"):
            setattr(total, count, getattr(total, count) + getattr(part, count))
        yield _coverage_row(f"`{name}`", part)
    yield _coverage_row("**all**", total)


def _coverage_row(name: str, part: Coverage) -> list[str]:
    by_name = f"{part.by_name_right} of {part.by_name}" if part.by_name else ""
    return [name, str(part.rows), str(part.explained), percent(part.explained, part.rows), str(part.right), by_name]
