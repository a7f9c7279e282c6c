"""The verb reconcile. Oracles: published figures by hand, numbers that nobody published, and the shipped schema."""

import json
import random
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from importlib.resources import files

import fastjsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.spec import Spec
from analyzer.graph.graph import Graph, sequence
from analyzer.graph.ops import Conv2d, Flatten, Linear
from analyzer.literature.counting_rules import CONVENTIONS
from analyzer.literature.reconcile import PrintedNumber, Reconciliation, parse_printed_number, reconcile
from tests.support.reconcile_document import as_printed, published_totals
from tests.support.strategies import sizable

PRINTED: list[tuple[str, str, tuple[int, ...], tuple[str, ...], bool]] = [
    ("25557032", "25557032", (1,), ("params", "macs", "activations"), True),
    ("25,557,032", "25557032", (1,), ("params", "macs", "activations"), True),
    ("25_557_032 params", "25557032", (1,), ("params",), True),
    ("4.1G", "4.1", (10**9,), ("params", "macs", "activations"), False),
    ("4.10 GFLOPs", "4.10", (10**9,), ("macs",), False),
    ("4.1 GMac", "4.1", (10**9,), ("macs",), False),
    ("4.1B", "4.1", (10**9,), ("params", "macs", "activations"), False),
    ("3.8e9", "3.8", (10**9,), ("params", "macs", "activations"), False),
    ("4.089", "4.089", (10**9, 10**6), ("params", "macs", "activations"), False),
    ("97.8 MB", "97.8", (10**6, 2**20), ("bytes",), False),
    ("97.8MiB", "97.8", (2**20,), ("bytes",), False),
    ("4120000000", "412", (10**7,), ("params", "macs", "activations"), False),
    ("4089184256 MACs", "4089184256", (1,), ("macs",), True),
    (".27M", "0.27", (10**6,), ("params", "macs", "activations"), False),
]


@pytest.mark.parametrize(("text", "digits", "scales", "kinds", "exact"), PRINTED, ids=[row[0] for row in PRINTED])
def test_a_number_is_read_as_people_write_it(
    text: str, digits: str, scales: tuple[int, ...], kinds: tuple[str, ...], exact: bool
) -> None:
    number = parse_printed_number(text)
    assert (number.digits, number.scales, number.kinds, number.exact) == (Decimal(digits), scales, kinds, exact)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "-3", "4.1X", "4.1.2", "1e999", "nan", "inf", "0", "0.0G", "4.1 parrots", "٣G", "9" * 5000, "1\n2"],
)
def test_what_is_no_number_is_refused_in_one_sentence(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "resnet50", "--", text]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("number ")


def test_a_quantity_that_contradicts_the_number_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^number '4\.1 GFLOPs': is of macs, and --quantity says params\.$"):
        parse_printed_number("4.1 GFLOPs", "params")


@given(st.integers(10**3, 10**12), st.integers(1, 5), st.sampled_from((ROUND_HALF_UP, ROUND_DOWN)))
def test_a_count_is_told_by_its_own_digits_and_by_no_others(count: int, places: int, rounding: str) -> None:
    """Closed form: decimal rounding of the count in millions; one unit more of the last digit is another number."""
    step = Decimal(1).scaleb(-places)
    shown = (Decimal(count) / 10**6).quantize(step, rounding)
    if shown > 0:
        assert parse_printed_number(f"{shown}M").matches_count(count)
    assert not parse_printed_number(f"{shown + 2 * step}M").matches_count(count)
    assert shown <= 2 * step or not parse_printed_number(f"{shown - 2 * step}M").matches_count(count)


def reconciliation(variant: str, number: str, quantity: str | None = None, size: int | None = None) -> Reconciliation:
    return reconcile(analyze(variant, size), parse_printed_number(number, quantity))


ANSWERS: list[tuple[str, str, str, str]] = [
    ("resnet50", "25557032", "params", "resnet50"),
    ("resnet50", "25.6M", "params", "resnet50"),
    ("resnet50", "25.5M", "params_without_norm", "resnet50"),
    ("resnet50", "25636712", "params_and_statistics", "resnet50:conv_bias=true"),
    ("resnet50", "23587712", "params_and_statistics_without_classifier", "resnet50:conv_bias=true"),
    ("resnet50", "23508032", "params_without_classifier", "resnet50"),
    ("resnet50", "4089184256", "macs", "resnet50"),
    ("resnet50", "8178368512", "flops", "resnet50"),
    ("resnet50", "4111512576", "fvcore", "resnet50"),
    ("resnet50", "4089238376", "torchinfo", "resnet50"),
    ("resnet50", "4089185256", "pycls", "resnet50"),
    ("resnet50", "3857973248", "macs", "resnet50_v1"),
    ("resnet50", "3.8G", "macs", "resnet50_v1"),
    ("resnet50", "3.86 GFLOPs", "macs", "resnet50_v1"),
    ("resnet50_v1", "4.09G", "macs", "resnet50"),
    ("resnet50", "11.11M", "activations", "resnet50"),
    ("resnet50", "11315688", "pycls_activations", "resnet50"),
    ("resnet50", "97.7 MB", "state_bytes", "resnet50"),
    ("resnet50", "97.5MiB", "params_bytes", "resnet50"),
    ("resnet50", "102.2MB", "params_bytes", "resnet50"),
    ("resnet50", "6.80G", "fvcore", "resnet50"),
    ("resnet50", "8.27 GFLOPs", "thop_flops", "resnet50"),
    ("resnet50", "8174272512", "flops", "resnet50:head=pool"),
    ("resnet34", "3.6G", "macs", "resnet34:shortcut=A"),
    ("resnet18", "1820.41M", "pytorchcv", "resnet18"),
    ("resnet20_cifar", "272474", "params", "resnet20_cifar:shortcut=B"),
    ("resnet20_cifar", "278324", "params", "resnet20_cifar:shortcut=B,num_classes=100"),
    ("resnet56_cifar", "125747850", "pycls", "resnet56_cifar:shortcut=B"),
    ("preact_resnet1001_cifar", "10.2M", "params_without_norm", "preact_resnet1001_cifar"),
    ("densenet40_k12_cifar", "599050", "params", "densenet40_k12_cifar:init_features=24,compression=0.5"),
    ("densenet121", "2881695488", "mmpretrain", "densenet121"),
    ("densenet121", "8062504", "params_and_statistics", "densenet121"),
    ("vgg16", "15.3G", "conv_macs", "vgg16"),
    ("vgg16", "15.5G", "macs", "vgg16"),
    ("seresnet50", "45.7M", "", ""),
    ("seresnet50:se_reduction=4", "35.7M", "params_and_statistics_without_se_bias", "resnet50:se_reduction=4"),
]
"""(network, number, rule, the network that the rule is applied to); no rule: nothing gives it."""


@pytest.mark.parametrize(("variant", "number", "rule", "network"), ANSWERS)
def test_a_published_number_is_explained(variant: str, number: str, rule: str, network: str) -> None:
    answer = reconciliation(variant, number)
    readings = {(name, reading.expression) for reading in answer.matches for name in reading.conventions}
    assert ((rule, network) in readings) if rule else not answer.explained


def test_another_input_size_is_found() -> None:
    """Timm's benchmark: 6.80 GMACs are ResNet-50's at 288 pixels."""
    (reading,) = [match for match in reconciliation("resnet50", "6.80G").matches if "timm" in match.conventions]
    assert reading.input_shape == (3, 288, 288)
    assert reconciliation("resnet50", "6.80G", size=288).matches[0].num_changes == 0


def test_an_error_of_a_paper_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "resnet1202", "10.2M"]) == 0
    printed = capsys.readouterr().out
    assert "10.2M is known not to be what this network has." in printed
    assert "ResNet-1202 has 19.4 M" in " ".join(printed.split())
    assert not reconciliation("resnet110_cifar", "10.2M").explained


WRONG = [
    "25557033",
    "25557031",
    "25657032",
    "4089184257",
    "8178368511",
    "26.6M",
    "25.9M",
    "4.89G",
    "12345678",
    "99.9G",
    "4.89 GMACs",
]


@pytest.mark.parametrize("number", WRONG)
def test_a_planted_wrong_number_is_unexplained(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "resnet50", *number.split()]) == 1
    out, err = capsys.readouterr()
    assert f"{number} is unexplained by " in out
    assert err == ""
    nearest = reconciliation("resnet50", number).nearest
    assert 3 <= len(nearest) <= 5
    assert [abs(parse_printed_number(number).relative_error(reading.figure)) for reading in nearest] == sorted(
        abs(parse_printed_number(number).relative_error(reading.figure)) for reading in nearest
    )


NAMES = ("resnet18", "resnet50", "densenet121", "vgg16")


def off_by_little(number: str) -> str:
    """The number with its last digit changed by five."""
    position = max(index for index, character in enumerate(number) if character.isdigit())
    return f"{number[:position]}{(int(number[position]) + 5) % 10}{number[position + 1 :]}"


def test_exact_published_numbers_with_one_digit_changed_are_unexplained() -> None:
    """Every exact parameter or FLOPs figure of the named networks, its last digit off by five."""
    stated = [entry for entry in published_totals() if entry["printed"] == "exact" and entry["expression"] in NAMES]
    exact = {(entry["expression"], as_printed(entry)) for entry in stated}
    assert len(exact) > 10
    assert not [number for name, number in exact if reconciliation(name, off_by_little(number)).explained]


NUMBERS = 80


def share_explained(variant: str, digits: int, quantity: str) -> tuple[float, float]:
    """(share of random numbers of so many digits that are explained, mean of the share that the answers tell)."""
    analysis = analyze(variant)
    plain = CONVENTIONS[quantity].count(analysis)
    places, draw = digits - len(str(plain // 10**6)), random.Random(digits)
    numbers = [f"{plain * draw.uniform(0.7, 1.3) / 10**6:.{max(places, 0)}f}M" for _ in range(NUMBERS)]
    answers = [reconcile(analysis, parse_printed_number(number, quantity)) for number in numbers]
    for answer in answers:
        assert all(prints_as(reading.figure, answer.number) for reading in answer.matches)
    return sum(answer.explained for answer in answers) / NUMBERS, float(
        sum(answer.chance for answer in answers)
    ) / NUMBERS


def prints_as(count: int, number: PrintedNumber) -> bool:
    """An independent check of the digits: in thousandths of the last printed place, on whole numbers."""
    places = len(number.text.rstrip("M").partition(".")[2])
    shown = int(number.text.rstrip("M").replace(".", ""))
    thousandths = count * 10**places // 10**3
    return shown in (thousandths // 1000, (thousandths + 500) // 1000)


@pytest.mark.slow
@pytest.mark.parametrize(("digits", "most"), [(3, 0.25), (4, 0.12), (5, 0.02), (6, 0.005)])
def test_random_numbers_are_seldom_explained_and_never_without_their_digits(digits: int, most: float) -> None:
    """Within 30 per cent of the true count: fewer the more digits, and about as many as the answer itself says."""
    for variant, quantity in (("resnet50", "macs"), ("densenet121", "params")):
        share, printed = share_explained(variant, digits, quantity)
        assert share <= most, (variant, quantity)
        assert abs(share - printed) <= 0.12, (variant, quantity)


@settings(max_examples=15)
@given(sizable, st.sampled_from(sorted(CONVENTIONS)))
def test_each_rules_own_count_is_explained_by_it(spec: Spec, name: str) -> None:
    analysis = analyze(spec)
    count = CONVENTIONS[name].count(analysis)
    if count == 0 or (name == "params_and_statistics_without_se_bias" and "se_reduction" not in analysis.variant):
        return
    answer = reconcile(analysis, parse_printed_number(f"{count:,}", CONVENTIONS[name].kind))
    assert any(name in reading.conventions and reading.num_changes == 0 for reading in answer.matches)


def test_a_users_own_graph_is_read_by_every_rule() -> None:
    graph = Graph("mine", tuple(sequence(("conv", Conv2d(3, 4, 3)), ("flat", Flatten()), ("fc", Linear(144, 2)))))
    answer = reconcile(analyze(graph, 8), parse_printed_number("4176"))
    assert [reading.conventions for reading in answer.matches] == [("macs", "fvcore", "timm", "thop")]
    assert not reconcile(analyze(graph, 8), parse_printed_number("4175")).explained


SCHEMA = json.loads(files("analyzer").joinpath("schemas", "reconcile-1.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("resnet50", "4.1G"), 0),
        (("resnet50", "25.6M", "--quantity", "params"), 0),
        (("resnet1202", "10.2M"), 0),
        (("resnet50", "12345678"), 1),
        (("densenet121", "7.98M", "--input-size", "320x224"), 0),
        (("resnext50_32x4d", "~4.1G"), 0),
    ],
)
def test_json_is_one_object_of_the_shipped_schema(
    arguments: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconcile", *arguments, "--format", "json"]) == status
    document = json.loads(capsys.readouterr().out)
    fastjsonschema.compile(SCHEMA)(document)
    assert document["explained"] == (status == 0)
    assert bool(document["readings"]) != bool(document["nearest"] or document["known_error"])


def test_the_function_says_what_the_verb_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "resnet50", "3.8G", "--format", "json"]) == 0
    assert analyzer.reconcile("resnet50", "3.8G").to_dict() == json.loads(capsys.readouterr().out)


def test_the_text_tells_network_rule_tools_and_doubt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconcile", "resnet50", "3.8G"]) == 0
    out = capsys.readouterr().out
    assert "3,857,973,248 MACs or FLOPs, cut off to 3.8G" in out
    assert "  network  resnet50_v1: stride on the 1×1" in out
    assert "  counts   multiply-accumulates of convolutions and linear layers\n" in out
    assert " % of all numbers of 2 digits within 30 % of this one agree with one of the " in out
    assert max(map(len, out.splitlines())) <= 110
