"""Claims: their figures, verdicts and documents.

Oracles: figures that papers and the networks' arithmetic give, worked out here by hand; an evaluator of the printed
arithmetic that knows nothing of the package; and formulas damaged on purpose.
"""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzer.cli import main
from analyzer.cost import formulas
from analyzer.cost.analysis import analyze
from analyzer.graph.ops import Conv2d, Op
from analyzer.literature.claims import figures
from analyzer.literature.claims.catalogue import CLAIMS
from analyzer.literature.claims.claim import (
    DIFFERENT,
    EQUAL,
    FEWER,
    MORE,
    About,
    Claim,
    ClaimCase,
    Expectation,
    Printed,
    Verdict,
)
from analyzer.literature.claims.figures import ClaimFigure
from analyzer.render.report.claims import claims_document, claims_page
from tests.support.arithmetic_text import evaluate_arithmetic

BY_KEY = {claim.key: claim for claim in CLAIMS}
SCHEMA = json.loads(files("analyzer").joinpath("schemas", "claims-1.json").read_text(encoding="utf-8"))
COMMITTED = Path(__file__).parents[2] / "reports"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return claims_document()


def pairs(key: str) -> list[tuple[int, int | None]]:
    return [(int(case.figure.value), int(case.against.value) if case.against else None) for case in BY_KEY[key].cases]


def test_the_bottleneck_has_94_per_cent_as_drawn_and_a_17th_at_equal_width() -> None:
    """Closed form: 256·64 + 9·64·64 + 64·256 against 2·9·64·64, and 2·9·256·256."""
    assert pairs("bottleneck_halves_parameters") == [(69_632, 73_728), (69_632, 1_179_648)]
    drawn, wide = BY_KEY["bottleneck_halves_parameters"].cases
    assert round(100 * drawn.ratio) == 94
    assert round(1 / wide.ratio) == 17
    assert BY_KEY["bottleneck_halves_parameters"].verdict is Verdict.FAILS


def test_the_three_forms_differ_only_by_biases() -> None:
    """Closed form: 32·(4 + 4 + 256) biases against 128 + 128 + 256; the weights are the same."""
    (weights, same), biased = pairs("forms_differ")
    assert weights == same == 256 * 128 + 9 * 4 * 128 + 128 * 256 + 2 * (128 + 128 + 256)
    assert biased == (8_448, 512)
    assert [case.holds for case in BY_KEY["forms_differ"].cases] == [False, True]


@pytest.mark.parametrize(
    ("key", "verdict", "first"),
    [
        ("resnet50_flops", Verdict.ONLY_IF, 3_857_973_248),
        ("resnet1202_params", Verdict.FAILS, 19_421_274),
        ("resnet1001_params", Verdict.ONLY_IF, 10_327_706),
        ("resnet_cheaper_than_vgg", Verdict.ONLY_IF, 11_513_626_624),
        ("second_side_output", Verdict.FAILS, 176),
        ("receptive_field_483", Verdict.ONLY_IF, 483),
        ("shortcuts_are_free", Verdict.ONLY_IF, 21_623_848),
        ("resnext_doubles_channels", Verdict.ONLY_IF, 128),
        ("excitation_is_free", Verdict.ONLY_IF, 4_091_699_200),
        ("preactivation_keeps_counts", Verdict.ONLY_IF, 4_089_184_256),
        ("linear_layers_dominate", Verdict.ONLY_IF, 61_100_840 - 2_469_696),
    ],
)
def test_known_claims_come_out_as_known(key: str, verdict: Verdict, first: int) -> None:
    """Published: counts of torchvision, timm and the papers; 352/2 = 176; AlexNet's convolutions have 2,469,696."""
    assert BY_KEY[key].verdict is verdict
    assert pairs(key)[0][0] == first


def test_grouping_saves_its_factor_in_one_convolution_only() -> None:
    """Closed form: 9·128·128/32; published: torchvision's counts of both networks."""
    assert pairs("grouping_divides_parameters")[0] == (9 * 128 * 4, 9 * 128 * 128)
    assert pairs("grouping_divides_parameters")[2] == (25_028_904, 68_883_240)
    assert [case.holds for case in BY_KEY["grouping_divides_parameters"].cases] == [True, False, False]


def test_dense_connections_are_counted_in_the_graph() -> None:
    """Closed form: 24·25/2 = 300 in the third block; 21 + 78 + 300 + 136 in all, against 121·122/2."""
    assert pairs("dense_connections") == [(300, 300), (535, 7_381)]


def _facts(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    yield from ((claim, case) for claim in document["claims"] for case in claim["cases"])


def test_the_json_is_valid_and_every_verdict_follows_from_its_figures(document: dict[str, Any]) -> None:
    """Oracle: the shipped schema, and the relations written out once more."""
    jsonschema.validate(document, SCHEMA)
    for _, case in _facts(document):
        assert case["holds"] == _holds(case), case
    for claim in document["claims"]:
        held = {case["holds"] for case in claim["cases"]}
        assert claim["verdict"] == {(True,): "holds", (False,): "does not hold"}.get(tuple(held), "holds only if")


def _holds(case: dict[str, Any]) -> bool:
    claimed, value = case["claimed"], case["figure"]["value"]
    if claimed["relation"] == "printed":
        _, _, decimals = claimed["digits"].partition(".")
        scaled, scale = Fraction(value, claimed["unit"]), 10 ** len(decimals)
        cuts = (int(scaled * scale), int(scaled * scale + Fraction(1, 2)))
        return int(claimed["digits"].replace(".", "")) in cuts
    ratio, target = Fraction(value, case["against"]["value"]), Fraction(*claimed["ratio"])
    return {
        "exactly": ratio == target,
        "other": ratio != target,
        "about": target * 9 / 10 <= ratio <= target * 11 / 10,
        "under": ratio < target,
        "over": ratio > target,
    }[str(claimed["relation"])]


def test_the_printed_arithmetic_evaluates_to_each_figure(document: dict[str, Any]) -> None:
    stated = [figure for _, case in _facts(document) for figure in (case["figure"], case.get("against")) if figure]
    worked_out = [figure for figure in stated if "arithmetic" in figure]
    assert len(worked_out) > 0.8 * len(stated)
    for figure in worked_out:
        assert evaluate_arithmetic(figure["arithmetic"]) == figure["value"], figure


def test_no_figure_is_typed_into_the_prose() -> None:
    """A number of three digits or more in a reason would be one that no formula made."""
    for claim in CLAIMS:
        prose = re.sub(r"(ResNet|VGG)-\d+|×", " ", f"{claim.why} {claim.matters}")
        assert not re.search(r"\d[\d.,]{2,}|%", prose), claim.key


def _ungrouped(op: Op) -> int:
    match op:
        case Conv2d():
            return op.kernel * op.kernel * op.in_channels * op.out_channels + (op.out_channels if op.bias else 0)
        case _:
            return _PARAMS(op)


_PARAMS = formulas.params


def test_a_fault_in_the_formulas_turns_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: parameters that ignore groups. A verdict that were typed in would not notice."""
    monkeypatch.setattr(formulas, "params", _ungrouped)
    monkeypatch.setattr(figures, "_cached_analysis", analyze)
    again = Claim(
        *(
            getattr(BY_KEY["grouping_divides_parameters"], name)
            for name in ("statement", "why", "matters", "make_cases")
        )
    )
    assert again.verdict is Verdict.FAILS


def _figure(value: int) -> ClaimFigure:
    return ClaimFigure(network="resnet18", quantity="anything", value=value)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((5, 5), Verdict.HOLDS), ((5, 6), Verdict.ONLY_IF), ((6, 6), Verdict.FAILS)],
)
def test_a_verdict_is_what_the_cases_say(values: tuple[int, ...], verdict: Verdict) -> None:
    assert Verdict.of(tuple(ClaimCase("", EQUAL, _figure(value), _figure(5)) for value in values)) is verdict


@pytest.mark.parametrize(("value", "holds"), [(449, False), (450, True), (550, True), (551, False)])
def test_about_is_within_a_tenth(value: int, holds: bool) -> None:
    assert ClaimCase("", About(Fraction(1, 2)), _figure(value), _figure(1000)).holds is holds


@pytest.mark.parametrize(
    ("claimed", "held"),
    [
        (FEWER, (True, False, False)),
        (MORE, (False, False, True)),
        (EQUAL, (False, True, False)),
        (DIFFERENT, (True, False, True)),
    ],
)
def test_less_more_equal_and_different_are_strict(claimed: Expectation, held: tuple[bool, ...]) -> None:
    assert tuple(ClaimCase("", claimed, _figure(value), _figure(5)).holds for value in (4, 5, 6)) == held


@pytest.mark.parametrize(("value", "holds"), [(3_749, False), (3_750, True), (3_899, True), (3_900, False)])
def test_a_printed_figure_is_rounded_or_truncated(value: int, holds: bool) -> None:
    assert ClaimCase("", Printed("3.8", 1000), _figure(value)).holds is holds


def test_the_page_tells_every_claim_once_and_links_to_it() -> None:
    page = claims_page()
    for claim in CLAIMS:
        assert page.count(f'<a id="{claim.key}"></a>') == page.count(f"(#{claim.key})") == 1
        assert claim.statement in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert not [line for line in rows if "None" in line or "Fraction" in line]


def test_the_committed_page_is_there_and_the_index_links_to_it() -> None:
    """`report --check`, which another test runs, holds it to what the program would write."""
    assert (COMMITTED / "claims.md").read_text(encoding="utf-8") == claims_page()
    assert "(claims.md)" in (COMMITTED / "README.md").read_text(encoding="utf-8")


def test_check_and_refresh_cover_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report", "resnet18"]) == main(["report", "--refresh"]) == main(["report", "--check"]) == 0
    assert not (tmp_path / "reports" / "claims.md").exists()
    assert main(["report", "--claims"]) == 0
    assert main(["report", "--check"]) == 1  # the index does not link to it yet
    assert main(["report", "--refresh"]) == main(["report", "--check"]) == 0
    page = tmp_path / "reports" / "claims.md"
    page.write_text(page.read_text(encoding="utf-8").replace("69,632", "69,633"), encoding="utf-8")
    assert main(["report", "--check"]) == 1


def test_claims_come_as_json_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--claims", "--format", "json", "--output", "-"]) == 0
    assert len(json.loads(capsys.readouterr().out)["claims"]) == len(CLAIMS)


def test_claims_take_no_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "resnet18", "--claims"]) == 2
    assert "--claims" in capsys.readouterr().err
