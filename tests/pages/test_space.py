"""The Design space page without a browser: Streamlit's AppTest runs the real script.

Oracle: the analyser on every network of a small space, and published figures of named variants.
"""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from analyzer.cost.analysis import analyze
from analyzer.pages.space import form as space_form
from analyzer.pages.space import incremental_sweep
from analyzer.pages.space.form import example_spaces
from analyzer.pages.space.incremental_sweep import IncrementalSweep
from analyzer.sweep.space.space import Space, packaged_space, space, to_toml
from benchmarks.page_reruns import synced_widget
from tests.pages.conftest import SPACE, switch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGED = ("resnext", "wide_resnet", "densenet", "regnet", *(f"anynet_{letter}" for letter in "abcde"))
SMALL = {"start": "resnet20_cifar", "vary": "depths = [1..3, 1..3, 1..3]\nwidths = [16, 32, [48, 64]]"}
NETWORKS = [
    analyze(f"resnet20_cifar:depths={a}-{b}-{c},widths=16-32-{width}")
    for a, b, c, width in product((1, 2, 3), (1, 2, 3), (1, 2, 3), (48, 64))
]
"""All networks of SMALL."""


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in parameters.items():
        app.query_params[name] = value
    switch(app, SPACE).run()
    assert not app.exception
    return app


def figures(app: AppTest) -> list[str]:
    """Candidates, networks within the limits, networks on the front."""
    html = next(str(item.proto.body) for item in app.get("html") if 'class="figures"' in str(item.proto.body))
    return re.findall(r"<b>([\d,]+)</b>", html)


def front(app: AppTest) -> Any:
    return app.dataframe[0].value


def unbeaten(networks: list[Any]) -> set[tuple[int, int]]:
    """(MACs, parameters) of those that no other beats in fewer MACs and more parameters, by definition."""
    points = {(item.macs, item.params) for item in networks}
    return {
        (macs, params)
        for macs, params in points
        if not any(m <= macs and p >= params and (m, p) != (macs, params) for m, p in points)
    }


def test_figures_and_front_are_those_of_every_network() -> None:
    app = opened(**SMALL)
    expected = unbeaten(NETWORKS)
    assert figures(app)[:2] == ["54", "54"]
    assert set(zip(front(app)["macs"], front(app)["params"], strict=True)) == expected
    names = ["macs", "params", "activations", "depth"]
    for _, row in front(app).iterrows():
        analysis = analyze(row["network"])
        assert [getattr(analysis, name) for name in names] == row[names].tolist()


def test_limits_leave_out_what_is_over_them() -> None:
    app = opened(**SMALL, most_params="100k", also="depth <= 12")
    left = [item for item in NETWORKS if item.params <= 100_000 and item.depth <= 12]
    assert figures(app)[:2] == ["54", str(len(left))]
    assert set(zip(front(app)["macs"], front(app)["params"], strict=True)) == unbeaten(left)


def _off(item: Any) -> float:
    macs, params = item.macs / (0.8 * 40_551_040), item.params / (0.9 * 269_722)
    return float(max(abs(macs - 1), abs(params - 1)))


def test_solving_gives_the_nearest_of_all_networks() -> None:
    """ResNet-20's published 269,722 parameters and 40.55 M MACs are the measure."""
    app = opened(**SMALL, target="macs=-20% params=-10%")
    nearest = min(NETWORKS, key=_off)
    html = next(str(item.proto.body) for item in app.get("html") if 'class="nearest"' in str(item.proto.body))
    assert nearest.variant.replace("resnet20_cifar:", "") in html
    assert f"{nearest.macs:,} (target {100 * (nearest.macs / (0.8 * 40_551_040) - 1):+.2f} %)" in html.replace("−", "-")


@pytest.mark.parametrize("title", list(example_spaces()))
def test_every_example_opens_as_the_space_of_its_file(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the file that the command line reads, at no more candidates than a page evaluates."""
    monkeypatch.setattr(IncrementalSweep, "step", lambda self: self.stop())
    app = opened()
    synced_widget(app.selectbox, "example").set_value(title).run()
    assert not app.exception
    shown: Space = app.session_state["sweeping"].space
    whole = next(item for item in map(packaged_space, PACKAGED) if item.title == title)
    assert shown.axes == whole.axes
    assert [(name, item.text) for name, item in shown.derived] == [(name, item.text) for name, item in whole.derived]
    assert shown.samples == (min(whole.samples, 1_000_000) if whole.samples else None)
    assert len(shown.constraints) == bool(whole.constraints)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"start": "resnet51"}, "variant 'resnet51' is unknown"),
        ({"start": "<img src=x onerror=alert(1)>"}, "is unknown"),
        ({"vary": "depths"}, "'depths' must be field = values"),
        ({"vary": "depht = 1..3"}, "'depht' is no field of resnet, and no expression reads it"),
        ({"vary": "depths = [1..3, 1..3, 1..3, 1..3]\ndepths = 3"}, "given more than once"),
        ({"vary": "a = b + 1\nb = a + 1\ncardinality = a"}, "circle"),
        ({"vary": "cardinality = __import__('os')"}, "unknown"),
        ({"vary": "cardinality = 9..1"}, "the range from 9 to 1 is empty"),
        ({"vary": "base_width = 1..60000\nstem_width = 1..60000"}, "the page evaluates up to 1,000,000"),
        ({"most_params": "many"}, "parameters=many: must be a number"),
        ({"also": "params <"}, "cannot be read"),
        ({"also": "accuracy > 3"}, "'accuracy' is unknown"),
        ({"target": "speed=3"}, "is no target"),
        (
            {"most_params": "1", "vary": "depths = [1..3, 1..3, 1..3, 1]"},
            "none of its 27 candidates satisfies params <= 1; they have params from",
        ),
        (
            {"vary": "depths = 9999999"},
            "its one candidate is no possible network (resnet: depths='9999999' must be 1 to 16",
        ),
        (
            {"vary": "depths = [9999998..9999999, 1]"},
            "none of its 2 candidates is a possible network (the first: resnet: depths=",
        ),
        ({"most_params": "1"}, "none of its 24,750 candidates satisfies params <= 1"),
    ],
)
def test_hostile_input_is_one_sentence_in_place(parameters: dict[str, str], sentence: str) -> None:
    app = opened(**parameters)
    assert len(app.error) == 1
    assert sentence in app.error[0].value
    assert 'class="figures"' not in "".join(str(item.proto.body) for item in app.get("html"))


@pytest.mark.parametrize("key", ["start", "vary", "also", "target", "most_params", "most_macs", "most_activations"])
def test_a_text_that_is_too_long_is_told_by_its_length(key: str) -> None:
    """Whatever the box had before; 100,000 characters are typed, not given by a link."""
    app = opened(**SMALL, most_params="many")
    box = app.text_area(key=key) if key == "vary" else app.text_input(key=key)
    box.set_value("9" * 100_000).run()
    name = key.replace("also", "other limits").replace("target", "solve for").replace("vary", "what varies")
    name = name.replace("start", "start from").replace("_", " ").replace("params", "parameters").replace("macs", "MACs")
    assert [item.value.strip("` ") for item in app.error] == [
        f"{name}: 100,000 characters are over the page's bound of 4,000."
    ]


def test_two_to_four_figures_make_a_front() -> None:
    app = opened(**SMALL)
    app.multiselect(key="front").set_value(["macs"]).run()
    assert "choose 2 to 4" in app.error[0].value
    app.multiselect(key="front").set_value(["macs", "max:params", "activations", "max:depth"]).run()
    assert not app.error
    app.multiselect(key="front").set_value(["macs", "params", "max:params"]).run()
    assert "choose 2 to 4 different" in app.error[0].value


def test_a_large_space_can_be_drawn_from() -> None:
    app = opened(vary="base_width = 1..60000\nstem_width = 1..60000", drawn="500")
    assert figures(app)[0] == "500"


def test_a_stopped_sweep_shows_what_it_found_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental_sweep, "_CHUNK", 10)
    monkeypatch.setattr(incremental_sweep, "MAX_SECONDS", 0)
    search_space = space(variant="resnet20_cifar", fields={"depths": "[1..3, 1..3, 1..3]"})
    sweep = IncrementalSweep(search_space, (("macs", False), ("params", True)))
    sweep.step()
    sweep.stop()
    assert (sweep.finished, sweep.complete, sweep.done) == (True, False, 10)
    sweep.resume()
    monkeypatch.setattr(incremental_sweep, "MAX_SECONDS", 60)
    sweep.resume()
    assert list(sweep.steps()) == [10, 20]
    assert (sweep.complete, sweep.collector.networks) == (True, 27)


def test_every_widget_is_in_the_address_or_fills_those_that_are() -> None:
    app = opened()
    widgets = [*app.text_input, *app.text_area, *app.number_input, *app.multiselect, *app.selectbox]
    bound = {item.key for item in widgets if item.label != "Example"}
    named = {space_form.START, space_form.VARIABLES, space_form.OTHER_LIMITS, space_form.SIDE, space_form.SAMPLES}
    assert bound == named | {space_form.FRONT, space_form.TARGET, *map(space_form.limit_key, space_form.LIMITS)}


@pytest.mark.parametrize("name", PACKAGED)
def test_the_toml_to_take_away_is_the_same_space(name: str) -> None:
    whole = packaged_space(name)
    again = Space.from_toml(to_toml(whole))
    assert again.fingerprint == whole.fingerprint
    assert to_toml(again) == to_toml(whole)
    assert (again.size, again.title) == (whole.size, whole.title)


def test_the_toml_keeps_every_kind_of_value() -> None:
    """Choices of lists, words and none; ranges, fractions, expressions of stages and of other names; sizes and seed."""
    search_space = space(
        title='a "quoted" title',
        variant="resnet50",
        variables={"w": [64, 80, 97], "d": "2..9", "r": "0.5..0.75 step 0.05"},
        fields={
            "depths": ["d", "1..3", 6, "d // 2"],
            "widths": "[w, 2*w, multiple(4 * w * r, 8), 8*w]",
            "se_reduction": ["none", 16],
            "stem": ["imagenet", "deep"],
            "avg_down": [True, False],
            "cardinality": "(1)",
        },
        constraints=["params <= 25.6e6", "widths[0] % 8 == 0"],
        input_sizes=[224, (192, 256)],
        samples=1000,
        seed=3,
    )
    again = Space.from_toml(to_toml(search_space))
    assert again.fingerprint == search_space.fingerprint
    assert [again.expression(index) for index in (0, 17, 999)] == [
        search_space.expression(index) for index in (0, 17, 999)
    ]
