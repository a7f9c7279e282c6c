"""Latency on the pages, by AppTest: the device and the run, what is predicted, and mistakes. Oracle: the Prediction."""

import json
import re

import pytest
from streamlit.testing.v1 import AppTest

import analyzer
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.predict.parse_target import latency_target
from analyzer.latency.predict.predict import predict_latency
from analyzer.latency.run_settings import RunSettings
from analyzer.pages.explore import cached, downloads
from analyzer.pages.state.style import code_span
from analyzer.render.compare.compare import network_comparison, summary_parts
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.style import DiagramStyle
from analyzer.render.latency.predicted import interval_text, latency_section, milliseconds_text, op_times
from analyzer.render.report.html import markdown_to_html
from tests.pages.conftest import COMPARE, DRAWING, EXPLORE, body, opened, switch, tables_html, typed

pytestmark = pytest.mark.slow

ON = {"device": "RTX 3090", "precision": "amp_bfloat16", "compiled": "true", "batch": "32"}
TARGET = latency_target("RTX 3090", RunSettings(32, "amp_bfloat16", compiled=True))


def headline(app: AppTest) -> str:
    return next(html for html in map(body, app.get("html")) if 'class="figures"' in html)


@pytest.mark.usefixtures("drawn")
def test_headline_and_table_show_the_prediction_that_the_link_asks_for() -> None:
    app = opened("resnet18", **ON)
    prediction = predict_latency(analyze("resnet18"), TARGET)
    assert (
        f"<b>{milliseconds_text(prediction)}</b> <small>predicted, 90 %: {interval_text(prediction)} ms</small>"
        in headline(app)
    )
    assert "<dt>RTX 3090, batch 32, amp_bfloat16, torch.compile</dt>" in headline(app)
    assert markdown_to_html(latency_section(prediction)).strip() in tables_html(app)


@pytest.mark.usefixtures("drawn")
def test_every_widget_changes_the_prediction_and_stands_in_the_address() -> None:
    app = opened("resnet18")
    app.selectbox(key="device").set_value("Tesla T4").run()
    app.selectbox(key="precision").set_value("float32").run()
    for mode in ("nhwc", "train"):
        app.toggle(key=mode).set_value(True).run()
    app.number_input(key="batch").set_value(4).run()
    prediction = predict_latency(
        analyze("resnet18"), latency_target("t4", RunSettings(batch_size=4, channels_last=True, training=True))
    )
    assert markdown_to_html(latency_section(prediction)).strip() in tables_html(app)
    modes = dict.fromkeys(("nhwc", "train"), "true")
    assert headline(opened("resnet18", device="t4", precision="float32", batch="4", **modes)) == headline(app)


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("name", ["RTX 9999", '"]; <script>alert(1)</script> evil ["', "x" * 1000 + "\u202e4090"])
def test_a_wrong_device_shows_the_sentence_in_place_and_the_page_stays_usable(name: str) -> None:
    """Oracle: the sentence that the analyser raises."""
    with pytest.raises(InvalidInput) as raised:
        latency_target(name, RunSettings())
    app = opened("resnet18", device=name)
    assert [item.value for item in app.error] == [code_span(str(raised.value))]
    assert "predicted" not in headline(app)
    assert "<dt>latency</dt><dd><b>–</b> <small>see below why</small></dd>" in headline(app)
    app = opened("resnet18", device="rtx3090")
    assert not app.error
    assert "RTX 3090, batch 1, amp<" in headline(app)


@pytest.mark.usefixtures("drawn")
def test_without_a_device_nothing_is_predicted_and_nothing_shaded_by_it() -> None:
    assert opened("resnet18", heat="predicted latency").selectbox(key="heat").value == "latency"
    app = opened("resnet18", heat="predicted latency", device="RTX 9999")
    assert "predicted" not in headline(app)
    assert "predicted latency" not in app.selectbox(key="heat").options
    assert app.selectbox(key="heat").value is None


@pytest.mark.usefixtures("drawn")
def test_the_diagram_is_shaded_by_predicted_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the DOT text that the command line lays out for the same choices."""
    laid_out: list[str] = []

    def lay_out(dot: str, output_format: str, timeout: float, *_: object) -> bytes:
        laid_out.append(dot)
        return DRAWING.encode()

    monkeypatch.setattr(cached, "layout_safely", lay_out)
    opened("resnet18", heat="predicted latency", level="stage", **ON)
    analysis = analyze("resnet18")
    style = DiagramStyle(heat="latency", times=op_times(analysis, TARGET))
    assert laid_out == [dot_source(analysis, "stage", style)]


@pytest.mark.parametrize("ending", ["csv", "json", "md", "html", "tex"])
def test_what_is_taken_away_tells_the_same_latency(ending: str) -> None:
    _, _, make = next(files[ending] for files in downloads.DOWNLOADS.values() if ending in files)
    content = make(downloads.ExploreView("resnet18", None, "network", None, True, None, TARGET))
    prediction = predict_latency(analyze("resnet18"), TARGET)
    assert isinstance(content, str)
    if ending == "json":
        assert json.loads(content)["latency"] == prediction.to_dict()
    elif ending == "csv":
        assert "predicted_batch_ms" in content
    else:
        assert milliseconds_text(prediction) in content


@pytest.mark.usefixtures("drawn")
def test_networks_are_compared_by_latency_where_a_device_is_picked() -> None:
    """Oracle: the markdown that `compare --gpu` prints."""
    app = opened(page=COMPARE)
    assert not re.search("predicted", tables_html(app))
    app.number_input(key="compared_batch").set_value(16).run()
    app.selectbox(key="compared_device").set_value("RTX 3090").run()
    target = latency_target("RTX 3090", RunSettings(batch_size=16, precision="amp"))
    for part in summary_parts(network_comparison([analyze("resnet50"), analyze("resnext50_32x4d")], target)):
        assert markdown_to_html(part).strip() in tables_html(app)
    app = opened(page=COMPARE, compared_device="RTX 9999")
    assert "device 'RTX 9999' is unknown" in app.error[0].value
    assert tables_html(app) == ""


@pytest.mark.usefixtures("drawn")
def test_all_variants_are_charted_by_latency() -> None:
    """Oracle: the Prediction of each of them."""
    app = opened(page=COMPARE)
    app.segmented_control(key="view").set_value("all named variants").run()
    app.selectbox(key="compared_device").set_value("RTX 3090").run()
    app.selectbox(key="x").set_value("predicted latency, ms").run()
    app.selectbox(key="y").set_value("MACs").run()
    assert not app.exception
    table = app.dataframe[0].value
    shown = dict(zip(table["title"], table["x"], strict=True))
    ms = analyzer.predict_latency("resnet50", device="RTX 3090", batch_size=256, precision="amp").ms
    assert shown["ResNet-50"] == pytest.approx(ms)
    assert any("RTX 3090 (amp, eager), batch 256" in item.value for item in app.caption)


@pytest.mark.usefixtures("drawn")
def test_the_device_is_kept_while_another_page_is_shown() -> None:
    app = typed(opened(), "resnet18")
    app.selectbox(key="device").set_value("A10").run()
    switch(app, COMPARE).run()
    app.query_params.clear()
    switch(app, EXPLORE).run()
    assert app.selectbox(key="device").value == "A10"
