"""Every family's fields at their edges, and hostile text in every text box and parameter, by AppTest."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Choice, Flag, Int, IntList, LayerList, OneOf, Ratio, Rule, rules
from analyzer.pages.state.style import code_span
from benchmarks.page_reruns import synced_widget
from tests.pages.conftest import COMPARE, EQUIVALENCE, EXPLORE, LEARN, SPACE, customising, figures, opened, switch

pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"]; evil ["',
    "x" * 100_000,
    "\u202eresnet50\u202c\u200f",
    "depths=9999999",
    "resnet50:depths=9999999",
    "${7*7}{{7*7}}`![x](http://example.invalid/x.png)` $x$ :smile:",
    "../../etc/passwd.toml",
    "\x00\x1b[31m",
)


def edges(rule: Rule) -> Iterator[tuple[str, Any]]:
    """(widget, value) at each edge of a rule, and just beyond where the widget lets it."""
    match rule:
        case Int():
            yield from (("number_input", value) for value in (rule.low, rule.high, *([None] if rule.optional else [])))
        case Choice():
            yield from (("selectbox", option) for option in rule.options)
        case OneOf():
            yield from (("selectbox", option) for option in ("none", *map(str, rule.options)))
        case Flag():
            yield from (("checkbox", value) for value in (False, True))
        case IntList():
            most = "-".join([str(rule.low)] * rule.longest)
            lists = (
                str(rule.low),
                str(rule.high),
                most,
                f"{most}-1",
                str(rule.low - 1),
                str(rule.high + 1),
                "1--1",
                "",
            )
            yield from (("text_input", text) for text in lists)
        case LayerList():
            longest = "-".join(["1"] * (rule.longest + 1))
            yield from (("text_input", text) for text in ("1", str(rule.high), "M", "1-M", longest, "0", "x", ""))
        case Ratio():
            yield from (("text_input", text) for text in ("0", "0.000001", "1", "1.0", "1.000001", "-1", "nan", ""))


def first(family: str) -> str:
    return next(iter(FAMILIES[family].variants))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_at_its_edges_gives_a_network_or_one_sentence(family: str) -> None:
    """Oracle: the analyser called with the expression that the form wrote."""
    app = customising(opened(first(family)))
    for name, rule in rules(FAMILIES[family].spec).items():
        key = f"field-{family}-{name}"
        for widget, value in edges(rule):
            synced_widget(app.text_input, "variant").set_value(f"{first(family)}:{smaller(family)}").run()
            synced_widget(getattr(app, widget), key).set_value(value).run()
            assert not app.exception, (name, value)
            _check_shown(app, (name, value))


def smaller(family: str) -> str:
    """Fields that make a network quick to analyse."""
    few = {"resnet": "depths=1-1", "densenet": "depths=2-2", "regnet": "depths=1-1,widths=8-16,group_widths=8"}
    return few.get(family, "num_classes=10")


def _check_shown(app: AppTest, subject: object) -> None:
    sentence, params = _answer(str(synced_widget(app.text_input, "variant").value))
    assert [item.value for item in app.error] == ([code_span(sentence)] if sentence else []), subject
    assert sentence or figures(app)[0] == f"{params:,}", subject


def _answer(expression: str) -> tuple[str, int]:
    """The sentence that refuses an expression, or "" and its parameters."""
    try:
        return "", analyze(expression).params
    except InvalidInput as error:
        return str(error), 0


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_every_box_is_a_sentence_and_nothing_else(text: str) -> None:
    app = customising(opened())
    for key in ("variant", "input_size", "toml"):
        before = box(app, key).value
        box(app, key).set_value(text).run()
        _check_one_sentence(app)
        box(app, key).set_value(before).run()
        assert not app.error, key
    switch(app, EQUIVALENCE).run()
    synced_widget(app.text_input, "grouped").set_value(text).run()
    _check_one_sentence(app)
    switch(app, COMPARE).run()
    app.multiselect(key="networks").set_value(["resnet18", text]).run()
    _check_one_sentence(app)
    app.multiselect(key="networks").set_value(["resnet18", "resnet34"]).run()
    app.text_input(key="compared_size").set_value(text).run()
    _check_one_sentence(app)


def box(app: AppTest, key: str) -> Any:
    if key == "input_size":
        return app.text_input(key=key)
    return synced_widget(app.text_area if key == "toml" else app.text_input, key)


def _check_one_sentence(app: AppTest) -> None:
    assert not app.exception
    assert len(app.error) == 1
    for item in app.error:
        assert item.value.startswith("`")
        assert len(item.value) < 320
    bodies = "".join(str(item.proto.body) for item in app.get("html"))
    assert "<script>alert" not in bodies
    assert "onerror=alert" not in bodies


TEXTS = {EXPLORE: ("variant", "input_size"), COMPARE: ("networks", "compared_size"), EQUIVALENCE: ("grouped",)}
CHOICES: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[str, ...]] = {
    (EXPLORE, ()): (
        *("batch", "level", "heat", "part", "only", "exact"),
        *("precision", "compiled", "nhwc", "train"),
    ),
    (COMPARE, ()): ("compared_batch", "compared_precision", "compared_compiled", "view"),
    (COMPARE, (("view", "all named variants"),)): ("x", "y", "recipes", "inputs"),
    (EQUIVALENCE, ()): ("block", "dtype", "mode", "wrong_slice", "identities"),
    (SPACE, ()): ("space_size", "drawn", "front"),
    (LEARN, ()): ("chapter", "size", "padding", "kernel", "dilation", "stride", "side", "in_channels", "groups"),
    (LEARN, (("chapter", "dense"),)): ("growth", "layers", "narrow"),
    (LEARN, (("chapter", "level"),)): ("width_growth",),
    (LEARN, (("chapter", "claims"),)): ("verdict", "subject"),
}
"""Page and what its link asks for rightly → parameters that stand for a choice, a number or a switch."""


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("text", HOSTILE[:6])
@pytest.mark.parametrize("page_name", TEXTS)
def test_hostile_text_in_every_text_of_a_link_is_a_sentence(page_name: str, text: str) -> None:
    app = opened(page=page_name, **dict.fromkeys(TEXTS[page_name], text))
    assert not app.exception
    assert 1 <= len(app.error) <= 2
    assert all(len(item.value) < 320 for item in app.error)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("link", CHOICES, ids=str)
def test_every_choice_of_a_link_that_does_not_exist_is_told_once(
    link: tuple[str, tuple[tuple[str, str], ...]],
) -> None:
    """One sentence a parameter, with its name; gone with the next run, as the parameter is from the address."""
    page, right = link
    app = opened(
        page=page if page != EXPLORE else None,
        **dict(right),
        **dict.fromkeys(CHOICES[link], HOSTILE[0] + "x" * 20_000),
    )
    sentences = [item.value for item in app.error]
    assert sorted(value.split("=")[0].strip("` ") for value in sentences) == sorted(CHOICES[link])
    assert all("in the address must be" in value and len(value) < 320 for value in sentences)
    app.run()
    assert len(app.error) == ("chapter" in CHOICES[link])


@pytest.mark.usefixtures("drawn")
def test_what_a_link_asks_for_rightly_is_not_refused() -> None:
    parameters = {
        "batch": "4",
        "level": "block",
        "heat": "MACs",
        "exact": "TRUE",
        "precision": "float32",
        "part": "stage 2",
    }
    app = opened(**parameters)
    assert not app.error
    synced_widget(app.text_input, "variant").set_value("resnet20_cifar").run()
    app.selectbox(key="part").set_value("stage 3").run()
    synced_widget(app.text_input, "variant").set_value("alexnet").run()
    assert not app.error
    assert not opened(page=SPACE, front=["fewest MACs", "greatest depth"]).error


@pytest.mark.usefixtures("drawn")
def test_a_seventh_network_of_a_link_is_told() -> None:
    seven = [f"resnet18:num_classes={number}" for number in range(1, 8)]
    sentence = opened(page=COMPARE, networks=seven).error[0].value
    assert "networks=resnet18:num_classes=7 in the address is one too many: at most 6 are taken." in sentence
