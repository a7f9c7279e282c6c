"""The Compare page by AppTest."""

import pytest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.registry import variant_names
from analyzer.pages.state.style import code_span
from analyzer.render.compare.compare import network_comparison, summary_parts
from analyzer.render.report.html import markdown_to_html
from tests.pages.conftest import COMPARE, EXPLORE, opened, switch, tables_html

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("drawn")
def test_compare_page_shows_the_command_lines_tables() -> None:
    """Oracle: the markdown that `compare` prints, and ResNeXt-50's published 25,028,904 parameters."""
    app = opened(page=COMPARE)
    assert app.multiselect(key="networks").value == ["resnet50", "resnext50_32x4d"]
    shown = tables_html(app)
    assert "25,028,904" in shown
    for part in summary_parts(network_comparison([analyze("resnet50"), analyze("resnext50_32x4d")])):
        assert markdown_to_html(part).strip() in shown


@pytest.mark.usefixtures("drawn")
def test_compare_page_takes_free_expressions_and_one_size_and_keeps_them() -> None:
    """Oracle: the analyser called directly."""
    app = opened(page=COMPARE)
    app.multiselect(key="networks").set_value(["resnet18", "resnet18:depths=1-1-1-1", "vgg11"]).run()
    app.text_input(key="compared_size").set_value("64").run()
    switch(app, EXPLORE).run()
    app.query_params.clear()  # as a browser does
    switch(app, COMPARE).run()
    assert not app.exception
    for expression in ("resnet18", "resnet18:depths=1-1-1-1", "vgg11"):
        assert f"{analyze(expression, 64).macs:,}" in tables_html(app)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize(
    "typed",
    [
        ["resnet51", "resnet50:depths=0", "<script>alert(1)</script>"],
        ["resnet50"],
        [],
        ["resnet:block=basic,depths=2500", "resnet1202_cifar"],
    ],
)
def test_compare_page_shows_mistakes_in_place(typed: list[str]) -> None:
    """Oracle: the sentences that the analyser raises; the bound on work is the page's own."""
    app = opened(page=COMPARE)
    app.multiselect(key="networks").set_value(typed).run()
    assert not app.exception
    assert [item.value for item in app.error] == [code_span(sentence) for sentence in _mistakes(typed)]
    assert tables_html(app) == ""


def _mistakes(typed: list[str]) -> list[str]:
    sentences = []
    for text in typed:
        try:
            analyze(text)
        except InvalidInput as error:
            sentences.append(str(error))
    if not sentences and len(typed) < 2:
        with pytest.raises(InvalidInput) as raised:
            network_comparison([analyze(text) for text in typed])
        sentences.append(str(raised.value))
    num_ops = sum(len(analyze(text).rows) for text in typed) if not sentences else 0
    over = f"compare: {num_ops:,} ops are over the page's bound of 10,000; use the command line."
    return sentences or [over]


def test_all_named_variants_are_points_that_open_or_join_the_comparison() -> None:
    """Oracle: ResNet-18's published 69.758 % in torchvision's metadata."""
    app = opened(page=COMPARE, view="all named variants")
    table = app.dataframe[0].value
    assert "ResNet-18" in table["title"].tolist()
    assert table["source"].str.startswith("torchvision 0.29.1").all()
    app.session_state["scatter_chosen"] = "resnet18"
    app.run()
    assert "69.758" in app.markdown[-1].value
    app.button[0].click().run()
    assert app.multiselect(key="networks").value == ["resnet50", "resnext50_32x4d", "resnet18"]
    app.selectbox(key="x").set_value("parameters").run()
    app.selectbox(key="y").set_value("depth").run()
    assert len(app.dataframe[0].value) == len(variant_names())
    app.segmented_control(key="inputs").set_value("CIFAR").run()
    assert app.dataframe[0].value["title"].str.contains("CIFAR").all()
    app.selectbox(key="y").set_value("ImageNet top-1 accuracy, %").run()
    assert not app.dataframe
    assert not app.exception
