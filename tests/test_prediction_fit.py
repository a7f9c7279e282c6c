"""The fit: that the shipped numbers are what it gives, what is left out, and that its errors are of unseen rows."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analyzer.cost.analysis import analyze
from analyzer.latency.coefficients import coefficients
from analyzer.latency.fit.arrays import Batch
from analyzer.latency.fit.baselines import baselines, roofline_ms
from analyzer.latency.fit.document import spearman, table
from analyzer.latency.fit.intervals import half_width
from analyzer.latency.fit.judge import Judged, cross_validated, fold_of, parts
from analyzer.latency.fit.search import (
    GPU,
    START,
    Fitted,
    fit_host,
    fitted,
    inference_cases,
    nvidia_cases,
    rounded,
)
from analyzer.latency.fit.tables import EXCLUDED, FOLDER, Case, read_cases, training_cases
from analyzer.latency.predict import predict_total
from analyzer.latency.target import LatencyTarget

SHIPPED = Fitted(coefficients().classes, coefficients().host_us)


@pytest.fixture(scope="module")
def newest() -> list[Case]:
    """Rows under the newest torch."""
    return [case for case in inference_cases() if "2.9" in case.table]


@pytest.fixture(scope="module")
def training() -> Judged:
    """Training steps, each predicted without its model."""
    (part,) = (part for part in parts(SHIPPED) if part.title == "training step")
    return cross_validated(part)


def test_no_network_has_a_number_of_its_own() -> None:
    assert len(GPU) == 5
    assert all(len(eff) == 9 for eff in coefficients().classes.values())


def _own_ms(case: Case) -> float:
    return predict_total(case.analysis, LatencyTarget(case.device, case.run, host_us=0)).ms


def test_arrays_and_predictions_evaluate_one_formula(newest: list[Case]) -> None:
    batch = Batch(newest[:12] + training_cases()[:3])
    for case, logs in zip(batch.cases[:12], batch.log_predicted(SHIPPED.classes["gpu"]), strict=False):
        assert _own_ms(case) == pytest.approx(np.exp(logs))
    last = batch.cases[-1]
    trained = batch.log_predicted(SHIPPED.classes["training"])[-1]
    assert _own_ms(last) == pytest.approx(np.exp(trained))


def test_a_fit_finds_the_numbers_that_made_the_times(newest: list[Case]) -> None:
    """Oracle: times computed from known efficiencies."""
    truth = START._replace(tensor=1.2, memory=0.7, stem=2.0, nchw=0.5, norm=0.4)
    batch = Batch(newest)
    batch.log_ms = batch.log_predicted(truth)
    found = fitted(batch, START._replace(norm=0.5), GPU)
    assert [getattr(found, name) for name in GPU] == pytest.approx([getattr(truth, name) for name in GPU], rel=0.01)


def test_the_shipped_numbers_are_the_fits() -> None:
    """Three of the fit's steps; `python -m analyzer.latency.fit --check` takes all, and the document."""
    start = SHIPPED.classes["gpu"]
    assert fitted(Batch(nvidia_cases("V100", "amp", least=64)), start, ("tensor",)) == SHIPPED.classes["old_tensor"]
    again = fitted(Batch(training_cases()), start, ("tensor", "memory"))
    assert again == pytest.approx(SHIPPED.classes["training"], rel=2e-3)
    assert fit_host() == SHIPPED.host_us


def test_folds_hold_whole_models() -> None:
    folds = fold_of(inference_cases())
    assert len(folds) == 34
    assert set(folds.values()) == set(range(5))
    assert max(map(list(folds.values()).count, range(5))) == 7


def test_held_out_training_steps_beat_every_simple_rule(training: Judged) -> None:
    """Bound: what the issue of this model asks for."""
    assert training.mean < 6
    assert all(training.mean < rule.mean for rule in baselines(training))
    assert len(training.cases) == 26


def test_given_one_network_a_tables_bias_is_gone(training: Judged) -> None:
    shifted = Judged("", training.cases, training.errors + 0.3)
    assert shifted.given("resnet50").mean == pytest.approx(training.given("resnet50").mean)
    assert len(shifted.given("resnet50").cases) == 25


def test_figures_of_errors_by_hand(training: Judged) -> None:
    judged = Judged("", training.cases[:4], np.log([1.09, 0.8, 1.0, 1.06]))
    assert judged.mean == pytest.approx(8.75)
    assert judged.bias == pytest.approx(-1.25)
    assert judged.within == 75
    assert half_width(np.log([1.1] * 9 + [2.0])) == pytest.approx(0.155, abs=0.01)
    assert spearman(Judged("", training.cases, np.zeros(26))) == pytest.approx(1)
    assert [rounded(0.123456), rounded(98765.4)] == [0.1235, 98770.0]
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| :-- | --: |\n| x | 1 |"


def test_a_plain_roofline_by_hand() -> None:
    """Closed form: AlexNet's classifier is no convolution; ResNet-18's first ReLU moves its tensor twice."""
    (case, *_) = [case for case in inference_cases() if case.model == "resnet18"]
    total = roofline_ms(case)
    relu = 2 * 2 * case.run.batch_size * 64 * (case.image_size // 2) ** 2 / (case.device.mem_bw_gbs * 1e9) * 1e3
    assert 17 * relu / 16 < total < 17 * relu * 4


def test_every_published_row_is_a_network_of_the_stated_size() -> None:
    assert {case.family for case in inference_cases()} == {"resnet", "resnext", "wide_resnet", "densenet"}
    names = {case.model for name in ("timm_inference", "timm_training") for case in read_cases(name)}
    assert len(names) == 34
    left_out = {name for group in EXCLUDED for name in group.split()}
    assert not names & left_out
    assert all(len(reason) > 10 for reason in EXCLUDED.values())


@pytest.mark.parametrize(
    ("expression", "params"),
    [("resnet:block=bottleneck,depths=2-2-2-2", 16.00), ("resnet50:stem=deep,stem_width=128", 25.68),
     ("densenet:depths=6-12-64-48,growth_rate=48,init_features=96", 72.69), ("resnext101_32x8d:base_width=32", 468.53)],
)  # fmt: skip
def test_expressions_without_a_name_are_timms_networks(expression: str, params: float) -> None:
    """Oracle: parameter counts in timm's tables."""
    assert round(analyze(expression).params / 1e6, 2) == params


def _eager_nhwc(row: dict[str, str]) -> bool:
    return (row["expression"], row["layout"], row["mode"], row["device"]) == ("resnet50", "nhwc", "eager", "H100 SXM")


def test_stage_times_measured_add_up_to_the_whole() -> None:
    with (FOLDER / "measured_stages.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _eager_nhwc(row)]
    assert sum(float(row["ms"]) for row in rows) == pytest.approx(20.27, rel=0.02)


def test_predicting_needs_neither_numpy_nor_scipy_nor_torch() -> None:
    code = (
        "import sys; sys.modules.update(numpy=None, scipy=None, torch=None)\n"
        "import analyzer; print(analyzer.predict_latency('resnet18', device='T4').ms > 0)"
    )
    root = Path(__file__).parent.parent
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert run.stdout == "True\n", run.stderr
