"""The Explore page by AppTest; figures are compared with published ones."""

import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.expression import parse
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules
from analyzer.families.toml_file import toml_text
from analyzer.pages.explore import cached
from analyzer.pages.state.style import code_span
from analyzer.render.diagram.dot import LEVELS, dot_source
from analyzer.render.diagram.style import DiagramStyle
from analyzer.text.units import size_bytes
from benchmarks.page_reruns import synced_widget
from tests.pages.conftest import (
    COMPARE,
    DRAWING,
    EQUIVALENCE,
    EXPLORE,
    ROOT,
    closed,
    customising,
    figures,
    opened,
    switch,
    tables_html,
    typed,
)

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [("resnet50", 25_557_032, 4_089_184_256), ("densenet121", 7_978_856, 2_834_161_664)],
)
def test_headline_shows_published_figures(name: str, params: int, macs: int) -> None:
    """Oracle: torchvision 0.29's num_params and _ops of its weights' metadata."""
    assert figures(opened(name))[:3] == [f"{params:,}", f"{macs:,}", f"{2 * macs:,}"]


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_opens_from_its_link_and_from_the_picker(family: str) -> None:
    """Oracle: the analyser called directly, for the first and last variant of each family."""
    names = list(FAMILIES[family].variants)
    app = opened()
    for name in {names[0], names[-1]}:
        synced_widget(app.selectbox, "picked_variant").set_value(name).run()
        assert not app.exception
        assert synced_widget(app.text_input, "variant").value == name
        assert figures(app)[0] == f"{analyze(name).params:,}"
        assert figures(opened(name)) == figures(app)


@pytest.mark.usefixtures("drawn")
def test_typed_expression_wins_and_the_picker_follows() -> None:
    """Oracle: ResNeXt-50's published 25,028,904 parameters for the same network under another name."""
    app = typed(opened(), "resnet50:cardinality=32,base_width=4")
    assert figures(app)[0] == "25,028,904"
    assert synced_widget(app.selectbox, "picked_variant").value == "resnext50_32x4d"
    app = typed(app, "resnet50:depths=1-1-1-1")
    assert synced_widget(app.selectbox, "picked_variant").value is None


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("family", FAMILIES)
def test_form_has_every_field_of_the_family_with_its_rule_as_help(family: str) -> None:
    name = next(iter(FAMILIES[family].variants))
    app = customising(opened(name))
    shown = [*app.text_input, *app.number_input, *app.selectbox, *app.checkbox]
    helps = {str(item.key).rpartition("-")[0]: item.proto.help for item in shown}
    for field, rule in rules(FAMILIES[family].spec).items():
        assert helps[f"field-{family}-{field}"] == f"{rule.help} ({rule.rule()})"


@pytest.mark.usefixtures("drawn")
def test_form_writes_the_canonical_expression() -> None:
    app = customising(opened("densenet121"))
    synced_widget(app.number_input, "field-densenet-growth_rate").set_value(24).run()
    assert synced_widget(app.text_input, "variant").value == "densenet121:growth_rate=24"
    assert figures(app)[0] == f"{analyze('densenet121:growth_rate=24').params:,}"
    synced_widget(app.number_input, "field-densenet-growth_rate").set_value(None).run()
    assert synced_widget(app.text_input, "variant").value == "densenet121"


@pytest.mark.usefixtures("drawn")
def test_form_can_go_through_an_impossible_network_and_back() -> None:
    """A ResNeXt made basic is refused until cardinality and base width are given up, too; nothing typed is lost."""
    app = customising(opened("resnext50_32x4d"))
    synced_widget(app.selectbox, "field-resnet-block").set_value("basic").run()
    assert "cardinality" in app.error[0].value
    synced_widget(app.number_input, "field-resnet-cardinality").set_value(1).run()
    assert "base_width" in app.error[0].value
    synced_widget(app.number_input, "field-resnet-base_width").set_value(64).run()
    assert not app.error
    assert synced_widget(app.text_input, "variant").value == "resnet34"


@pytest.mark.usefixtures("drawn")
def test_a_closed_form_has_no_widgets_and_forgets_nothing_when_opened_again() -> None:
    """Reference: what was typed, also where it is wrong, and the fields of the last network otherwise."""
    app = customising(opened("resnet18"))
    synced_widget(app.text_input, "field-resnet-depths").set_value("2-x").run()
    sentence = app.error[0].value
    closed(app)
    assert not [item.key for item in app.text_input if str(item.key).startswith("field-")]
    assert [item.value for item in app.error] == [sentence]
    customising(app)
    assert synced_widget(app.text_input, "field-resnet-depths").value == "2-x"
    assert synced_widget(app.text_input, "field-resnet-widths").value == "64-128-256-512"
    synced_widget(app.text_area, "toml").set_value("depths = [").run()
    customising(typed(closed(typed(app, "resnet34")), "resnet18"))
    assert synced_widget(app.text_input, "field-resnet-depths").value == "2-2-2-2"
    synced_widget(app.text_area, "toml").set_value("depths = [").run()
    customising(closed(app))
    assert synced_widget(app.text_area, "toml").value == "depths = ["
    assert len(app.error) == 1


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "bad", ["resnet51", "resnet50:", "resnet50:depths=0", "", "<script>alert(1)</script>", "x" * 100_000]
)
def test_wrong_expression_shows_the_sentence_and_the_page_stays_usable(bad: str) -> None:
    """Oracle: the sentence that the analyser raises."""
    with pytest.raises(InvalidInput) as raised:
        analyze(bad[:4000])
    app = opened()
    synced_widget(app.text_input, "variant").set_value(bad[:4000]).run()
    assert [item.value for item in app.error] == [code_span(str(raised.value))]
    assert len(app.error[0].value) < 300
    assert figures(typed(app, "resnet18"))[0] == "11,689,512"


@pytest.mark.usefixtures("drawn")
def test_input_size_comes_from_the_link_the_box_and_the_sliders() -> None:
    """Oracle: MACs of convolutions grow with the area: 64·32 over 32·32 positions, the classifier's are the same."""
    app = opened("resnet18", input_size="32")
    small = macs(app)
    app.text_input(key="input_size").set_value("64x32").run()
    classifier = 512 * 1000
    assert macs(app) - classifier == 2 * (small - classifier)
    height, width = (slider for slider in app.slider if slider.label in {"Height", "Width"})
    assert (height.value, width.value) == (64, 32)
    height.set_value(32).run()
    assert app.text_input(key="input_size").value == "32"
    assert macs(app) == small


def macs(app: AppTest) -> int:
    return int(figures(app)[1].replace(",", ""))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("size", ["-1", "0", "16385", "224x", "<script>", "9" * 100_000])
def test_wrong_input_size_is_one_sentence_in_place(size: str) -> None:
    app = opened("resnet18", input_size=size)
    assert len(app.error) == 1
    assert "input size" in app.error[0].value
    assert len(app.error[0].value) < 300
    app.text_input(key="input_size").set_value("").run()
    assert figures(app)[0] == "11,689,512"


@pytest.mark.usefixtures("drawn")
def test_batch_is_told_in_bytes() -> None:
    """Oracle: the analyser's memory of a batch."""
    app = opened("resnet18", batch="8")
    memory = analyze("resnet18").memory(8)
    assert f"at most {size_bytes(memory.peak_bytes)}" in sizes_told(app)
    app.number_input(key="batch").set_value(1).run()
    assert f"at most {size_bytes(analyze('resnet18').peak_activation_bytes)}" in sizes_told(app)


def sizes_told(app: AppTest) -> str:
    (told,) = (item.value for item in app.caption if "Memory at batch" in item.value)
    return str(told)


@pytest.mark.usefixtures("drawn")
def test_toml_and_expression_keep_in_step() -> None:
    """Oracle: the TOML text that `report --spec` prints."""
    app = customising(opened("densenet121"))
    text = str(synced_widget(app.text_area, "toml").value)
    assert text == toml_text(parse("densenet121"))
    synced_widget(app.text_area, "toml").set_value(text.replace("growth_rate = 32", "growth_rate = 24")).run()
    assert synced_widget(app.text_input, "variant").value == "densenet121:growth_rate=24"
    assert synced_widget(app.number_input, "field-densenet-growth_rate").value == 24
    synced_widget(app.text_area, "toml").set_value('variant = "resnet18"\ntitle = "mine"').run()
    assert synced_widget(app.text_input, "variant").value == "resnet18"
    assert synced_widget(app.text_area, "toml").value == toml_text(parse("resnet18"))


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "text", ["depths = [", "", 'family = "<script>"', "x" * 100_000, "depths=9999999", '"]; evil ["']
)
def test_wrong_toml_is_one_sentence_beside_it_and_changes_nothing(text: str) -> None:
    app = customising(opened("resnet18"))
    synced_widget(app.text_area, "toml").set_value(text).run()
    assert len(app.error) == 1
    assert len(app.error[0].value) < 300
    assert synced_widget(app.text_area, "toml").value == text
    assert figures(app)[0] == "11,689,512"
    typed(app, "resnet34")
    assert not app.error
    assert synced_widget(app.text_area, "toml").value == toml_text(parse("resnet34"))


@pytest.mark.usefixtures("drawn")
def test_a_part_can_be_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the DOT text that the command line lays out for that part."""
    laid_out: list[str] = []

    def lay_out(dot: str, *_: object) -> bytes:
        laid_out.append(dot)
        return DRAWING.encode()

    monkeypatch.setattr(cached, "layout_safely", lay_out)
    app = opened("resnet18")
    assert app.toggle(key="only").disabled
    app.selectbox(key="part").set_value("stage2").run()
    app.toggle(key="only").set_value(True).run()
    assert laid_out[-1] == dot_source(analyze("resnet18"), "stage", stage="stage2")
    app.selectbox(key="part").set_value("layer1.0").run()
    app.segmented_control(key="level").set_value("op").run()
    assert laid_out[-1] == dot_source(analyze("resnet18"), "op", path="layer1.0")
    app.toggle(key="only").set_value(False).run()
    assert app.segmented_control(key="level").value == "network"
    assert laid_out[0] == dot_source(analyze("resnet18"), "network")


@pytest.mark.usefixtures("drawn")
def test_stage_table_can_show_exact_numbers() -> None:
    """Oracle: the analyser called directly."""
    app = opened("resnet18", exact="true")
    assert app.dataframe[0].value["params"].tolist() == [stage.params for stage in analyze("resnet18").stages]
    assert "2,099,712" in app.dataframe[0].proto.arrow_data.styler.display_values.decode(errors="ignore")


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("level", LEVELS)
def test_level_comes_from_the_link(level: str) -> None:
    assert opened("resnet18", level=level).segmented_control(key="level").value == level


@pytest.mark.usefixtures("drawn")
def test_shades_come_from_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the DOT text that the command line lays out for the same choices."""
    laid_out: list[str] = []

    def lay_out(dot: str, *_: object) -> bytes:
        laid_out.append(dot)
        return DRAWING.encode()

    monkeypatch.setattr(cached, "layout_safely", lay_out)
    app = opened("resnet18", heat="MACs", level="stage")
    assert app.selectbox(key="heat").value == "macs"
    assert laid_out == [dot_source(analyze("resnet18"), "stage", DiagramStyle(heat="macs"))]


@pytest.mark.usefixtures("drawn")
def test_a_level_that_is_too_large_says_so_and_offers_a_coarser_one() -> None:
    """Oracle: the sentence that the analyser raises."""
    with pytest.raises(InvalidInput) as raised:
        dot_source(analyze("resnet1202_cifar"), "op")
    app = opened("resnet1202_cifar", level="op")
    assert [item.value for item in app.error] == [code_span(str(raised.value))]
    app.button[0].click().run()
    assert app.segmented_control(key="level").value == "block"
    assert not app.error


@pytest.mark.usefixtures("drawn")
def test_wrong_parameters_of_a_link_are_told_and_unknown_ones_ignored() -> None:
    app = opened("resnet18", level='"]; evil ["', batch="-1", only="x", nonsense="<script>", part="\u202e")
    assert app.segmented_control(key="level").value == "network"
    assert figures(app)[0] == "11,689,512"
    expected = {
        'level="]; evil [" in the address must be one of network, stage, block, op.',
        "batch=-1 in the address must be a whole number from 1 to 1,024.",
        "only=x in the address must be true or false.",
        "part=? in the address must be one of stem, stage 1, stage 1 · layer1.0, stage 1 · layer1.1, stage 2, "
        "stage 2 · layer2.0, stage 2 · layer2.1, stage 3 … (14 in all).",
    }
    assert {item.value.strip("` ") for item in app.error} == expected


def test_no_page_imports_torch_before_a_button_asks() -> None:
    """Oracle: sys.modules of a process that ran all pages."""
    script = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "from tests.pages.conftest import switch\n"
        "app = AppTest.from_file('app.py', default_timeout=60).run()\n"
        f"switch(app, {COMPARE!r}).run()\n"
        "assert not app.exception and app.multiselect\n"
        f"switch(app, {EQUIVALENCE!r}).run()\n"
        "assert not app.exception and app.button\n"
        "print([name for name in ('torch', 'torchvision', 'fvcore') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("drawn")
def test_a_network_near_the_bounds_can_be_looked_into() -> None:
    app = typed(opened(), "resnet:block=basic,depths=2500")
    assert len(app.selectbox(key="part").options) == 2 + 1 + 2500
    app.selectbox(key="part").set_value("layer1.2499").run()
    assert not app.exception
    assert app.dataframe[1].value["path"].iloc[0] == "layer1.2499.conv1"


@pytest.mark.usefixtures("drawn")
def test_choosing_a_block_fills_its_formulas_in() -> None:
    """Oracle: 3·3·256·256 = 589,824 weights of a 3×3 of 256 channels, and the sum over the stage."""
    app = opened("resnet50")
    app.selectbox(key="part").set_value("layer3.0").run()
    assert "params: k·k·C_in·C_out = 3·3·256·256 = 589,824" in tables_html(app)
    app.selectbox(key="part").set_value("stage3").run()
    assert not app.exception
    assert "1,512,448 + 5 × 1,117,184 = 7,098,368" in tables_html(app)
    assert "C_in" not in tables_html(app)
    assert typed(app, "densenet121").selectbox(key="part").value == "stage3"
    app.selectbox(key="part").set_value("transition1").run()
    assert typed(app, "resnet18").selectbox(key="part").value is None
    assert opened("resnet18", part="stage 1 · layer1.0").selectbox(key="part").value == "layer1.0"
    app.session_state["kept"] = {"variant": "resnet18", "part": "transition1"}
    switch(app, COMPARE).run()
    app.query_params.clear()
    switch(app, EXPLORE).run()
    assert not app.exception
    assert app.selectbox(key="part").value is None


@pytest.mark.usefixtures("drawn")
def test_each_page_keeps_its_network_while_the_other_is_shown() -> None:
    app = typed(opened(), "resnet18")
    switch(app, EQUIVALENCE).run()
    assert synced_widget(app.text_input, "grouped").value == "resnext50_32x4d"
    synced_widget(app.text_input, "grouped").set_value("resnext101_64x4d").run()
    switch(app, EXPLORE).run()
    assert synced_widget(app.text_input, "variant").value == "resnet18"
    switch(app, EQUIVALENCE).run()
    assert synced_widget(app.text_input, "grouped").value == "resnext101_64x4d"
