"""The page of claims: statements that people make, whether they hold, and the figures that decide it."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
from typing import Any, NamedTuple, assert_never

from analyzer.literature.claims.catalogue import GROUPS
from analyzer.literature.claims.claim import (
    About,
    Claim,
    ClaimCase,
    Exactly,
    Expectation,
    Other,
    Over,
    Printed,
    Under,
    Verdict,
)
from analyzer.literature.claims.figures import ClaimFigure, analysis_of
from analyzer.render.explain.arithmetic import is_worked_out, numbers
from analyzer.text.tables import markdown_table
from analyzer.text.units import exact, percent, size_bytes

TITLE = "Claims checked"
_UNITS = {1: "", 10**6: " million", 10**9: " billion"}
_SHARED = 3
"""So many first words in common are said once: "the network is resnet18 or resnet50"."""
_SMALL = Fraction(1, 9)
"""Expected shares up to this are written as fractions."""
_CONVENTIONS = (
    "A verdict is computed: a statement **holds** where all of its readings do, **does not hold** where none does, and "
    "**holds only if** a reading is meant for which it does. “About” is within a tenth, “negligible” less than a "
    "hundredth; a printed figure agrees where ours rounds or truncates to its digits. Parameters are learned numbers, "
    "MACs multiply-accumulates of convolutions and linear layers, activations their output elements, for one input at "
    "the network's usual size unless another is given (`@448`)."
)


class ClaimText(NamedTuple):
    """A claim's texts for a page; `outcome`, `cases`, `why` and `formulas` are markdown."""

    number: int
    group: str
    claim: Claim
    condition: str
    """What completes "holds only if", "" for the other verdicts."""
    outcome: str
    cases: str
    why: str
    formulas: str


def claim_texts() -> tuple[ClaimText, ...]:
    """Every claim in order, with its verdict's condition, outcome, reason and formulas."""
    return tuple(
        ClaimText(
            number=number,
            group=group,
            claim=claim,
            condition=_condition(claim),
            outcome=_outcome_text(claim.cases),
            cases=_case_table(claim.cases),
            why=_why(claim),
            formulas=_formula_list(claim.cases),
        )
        for number, group, claim in _numbered()
    )


def _why(claim: Claim) -> str:
    return f"{claim.why} *It matters to {claim.matters}.*"


def claims_page() -> str:
    """Every claim as markdown: an overview, then the readings of each with figures, formulas and the reason."""
    numbered = _numbered()
    parts = [f"# {TITLE}", _lead([claim for _, _, claim in numbered]), _CONVENTIONS]
    for heading, group_claims in GROUPS.items():
        claims = [(number, claim) for number, group, claim in numbered if group == heading]
        parts += [f"## {heading}", _overview(claims), *(_section(*item) for item in claims if item[1] in group_claims)]
    return "\n\n".join([*parts, "<!-- made by: python -m analyzer report --claims -->"]) + "\n"


def _numbered() -> list[tuple[int, str, Claim]]:
    grouped_claims = [(group, claim) for group, claims in GROUPS.items() for claim in claims]
    return [(number, group, claim) for number, (group, claim) in enumerate(grouped_claims, 1)]


def _lead(claims: Sequence[Claim]) -> str:
    verdicts = [claim.verdict for claim in claims]
    num_holding, num_conditional, num_failing = (verdicts.count(verdict) for verdict in Verdict)
    return (
        f"{len(claims)} statements that papers, tutorials and forums make about these networks: {num_holding} hold, "
        f"{num_conditional} hold only under a condition that is seldom told, {num_failing} do not hold. Every figure "
        "is computed from the networks' graphs; none is typed in. `python -m analyzer explain NETWORK PATH` shows each "
        "in full."
    )


def _overview(claims: Sequence[tuple[int, Claim]]) -> str:
    rows = [
        [f"[{number}](#{claim.key})", claim.statement, _verdict_words(claim), _outcome_text(claim.cases)]
        for number, claim in claims
    ]
    return markdown_table(["", "statement", "verdict", "found"], rows, "rlll")


def _verdict_words(claim: Claim) -> str:
    return f"**{claim.verdict.value}** {_condition(claim)}".strip()


def _condition(claim: Claim) -> str:
    """What completes "holds only if"; nothing for the other verdicts."""
    if claim.verdict is not Verdict.ONLY_IF:
        return ""
    conditions = [case.condition.split() for case in claim.cases if case.holds]
    shared = [words[0] for words in takewhile(lambda words: len(set(words)) == 1, zip(*conditions, strict=False))]
    if len(conditions) == 1 or len(shared) < _SHARED:
        return "; or if ".join(map(" ".join, conditions))
    *first, last = (" ".join(words[len(shared) :]) for words in conditions)
    return f"{' '.join(shared)} {', '.join(first)} or {last}"


def _outcome_text(cases: Sequence[ClaimCase]) -> str:
    """What each reading comes to, in bold where the statement holds for it."""
    outcomes = (
        (_figure_value(case.figure) if isinstance(case.expectation, Printed) else _ratio_words(case), case)
        for case in cases
    )
    return " · ".join(dict.fromkeys(f"**{text}**" if case.holds else text for text, case in outcomes))


def _section(number: int, claim: Claim) -> str:
    parts = [
        f'### <a id="{claim.key}"></a>{number}. “{claim.statement.removesuffix(".")}”',
        f"{_verdict_words(claim).replace(claim.verdict.value, claim.verdict.value.capitalize())}.",
        _case_table(claim.cases),
        _why(claim),
        _formulas(claim.cases),
    ]
    return "\n\n".join(part for part in parts if part)


def _case_table(cases: Sequence[ClaimCase]) -> str:
    if any(case.against is None for case in cases):
        rows = [[case.condition, _figure_words(case.figure), _claimed_words(case), _yes_or_no(case)] for case in cases]
        return markdown_table(["if", "figure", "claimed", "holds"], rows, "lrrl")
    heads = ["if", "figure", "against", "ratio", "claimed", "holds"]
    return markdown_table(heads, [_case_cells(case) for case in cases], "lrrrrl")


def _case_cells(case: ClaimCase) -> list[str]:
    against = _figure_words(case.against) if case.against else ""
    return [
        case.condition,
        _figure_words(case.figure),
        against,
        _ratio_words(case),
        _claimed_words(case),
        _yes_or_no(case),
    ]


def _yes_or_no(case: ClaimCase) -> str:
    return "yes" if case.holds else "no"


def _figure_words(figure: ClaimFigure) -> str:
    return f"{_figure_value(figure)} ({_figure_network(figure)})"


def _figure_value(figure: ClaimFigure) -> str:
    if figure.unit == "B":
        return size_bytes(figure.value)
    return f"{exact(figure.value)} {figure.unit}".strip()


def _figure_network(figure: ClaimFigure) -> str:
    size = f"@{figure.input_size}" if figure.input_size else ""
    name = f"`{analysis_of(figure.network).variant}{size}`"
    return f"{name} `{figure.path}`" if figure.path else name


def _ratio_words(case: ClaimCase) -> str:
    ratio = case.ratio
    if ratio == 1:
        return "equal"
    if ratio > Fraction(5, 4):
        return f"{float(ratio):.3g} ×"
    target = case.expectation.target if isinstance(case.expectation, Exactly | About) else Fraction(1)
    if target <= _SMALL:
        return f"1/{float(1 / ratio):.3g}"
    fine = ratio < Fraction(2, 100) or abs(ratio - 1) < Fraction(1, 100)
    share = percent(ratio.numerator, ratio.denominator, 2 if fine else 1)
    return f"{share} % (1/{float(1 / ratio):.2g})" if target < 1 and ratio < _SMALL else f"{share} %"


def _claimed_words(case: ClaimCase) -> str:
    match case.expectation:
        case Exactly(target):
            return "equal" if target == 1 else _share(target)
        case Other(target):
            return "different" if target == 1 else f"not {_share(target)}"
        case About(target):
            return "about equal" if target == 1 else f"about {_share(target)}"
        case Under(target):
            return "less" if target == 1 else f"less than {_share(target)}"
        case Over(target):
            return "more" if target == 1 else f"more than {_share(target)}"
        case Printed(digits, unit):
            return f"{digits}{_UNITS[unit]}"
        case _:
            assert_never(case.expectation)


def _share(target: Fraction) -> str:
    if target.denominator == 1:
        return f"{target} ×"
    if target.numerator == 1 and target <= _SMALL and target != Fraction(1, 100):
        return f"1/{target.denominator}"
    return f"{float(100 * target):g} %"


def _formulas(cases: Sequence[ClaimCase]) -> str:
    return f"<details><summary>What is counted, and how</summary>\n\n{_formula_list(cases)}\n\n</details>"


def _formula_list(cases: Sequence[ClaimCase]) -> str:
    return "\n".join(f"- {line}" for line in dict.fromkeys(_formula_lines(cases)))


def _formula_lines(cases: Sequence[ClaimCase]) -> Iterator[str]:
    for figure in (figure for case in cases for figure in (case.figure, case.against) if figure):
        sides = [numbers(figure.value)] if is_worked_out(figure.value) else []
        value = f"{exact(figure.value)} {figure.unit}".strip()
        yield f"{_figure_network(figure)}, {figure.quantity}: {' = '.join([*sides, value])}"


def claims_document() -> dict[str, Any]:
    """Every claim as the JSON object of `report --claims --format json`, valid against schemas/claims-1.json."""
    return {
        "schema": 1,
        "claims": [
            {
                "key": claim.key,
                "group": group,
                "statement": claim.statement,
                "verdict": claim.verdict.value,
                "why": claim.why,
                "matters_to": claim.matters,
                "cases": [_case_facts(case) for case in claim.cases],
            }
            for _, group, claim in _numbered()
        ],
    }


def _case_facts(case: ClaimCase) -> dict[str, Any]:
    facts = {
        "if": case.condition,
        "holds": case.holds,
        "figure": _figure_facts(case.figure),
        "against": _figure_facts(case.against) if case.against else None,
        "claimed": _claimed_facts(case.expectation),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _figure_facts(figure: ClaimFigure) -> dict[str, Any]:
    facts = {
        "variant": analysis_of(figure.network).variant,
        "path": figure.path,
        "input_size": figure.input_size,
        "quantity": figure.quantity,
        "value": int(figure.value),
        "unit": figure.unit or None,
        "arithmetic": numbers(figure.value) if is_worked_out(figure.value) else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _claimed_facts(claimed: Expectation) -> dict[str, Any]:
    relation = type(claimed).__name__.lower()
    if isinstance(claimed, Printed):
        return {"relation": relation, "digits": claimed.digits, "unit": claimed.unit}
    return {"relation": relation, "ratio": [claimed.target.numerator, claimed.target.denominator]}
