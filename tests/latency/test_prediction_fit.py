"""The fit: that the shipped numbers are what it gives, what is left out, and that its errors are of unseen rows."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analyzer.cost.analysis import analyze
from analyzer.latency.predict.predict import predict_total
from analyzer.latency.predict.roofline import PATH, coefficients
from analyzer.latency.predict.target import LatencyTarget
from tools.latency_fit import __main__ as program
from tools.latency_fit.agreement import disagreements
from tools.latency_fit.arrays import Batch
from tools.latency_fit.baselines import baselines, roofline_ms
from tools.latency_fit.document import DOCUMENT, spearman, table
from tools.latency_fit.intervals import half_width
from tools.latency_fit.judge import HeldOutErrors, cross_validate, cross_validated_fits, fold_of
from tools.latency_fit.search import (
    CPU,
    CPU_START,
    GPU,
    START,
    FittedModel,
    cpu_cases,
    fit_efficiencies,
    fit_host,
    identified,
    inference_cases,
    nvidia_cases,
    round_significant,
)
from tools.latency_fit.tables import EXCLUDED, FOLDER, PublishedLatency, read_cases, training_cases

Capsys = pytest.CaptureFixture[str]
SHIPPED = FittedModel(coefficients().classes, coefficients().host_us)


@pytest.fixture(scope="module")
def newest() -> list[PublishedLatency]:
    """Rows under the newest torch."""
    return [case for case in inference_cases() if "2.9" in case.table]


@pytest.fixture(scope="module")
def training() -> HeldOutErrors:
    """Training steps, each predicted without its model."""
    (part,) = (part for part in cross_validated_fits(SHIPPED) if part.title == "training step")
    return cross_validate(part)


def test_no_network_has_a_number_of_its_own() -> None:
    assert len(GPU) == 5
    assert all(len(eff) == 9 for eff in coefficients().classes.values())


def _own_ms(case: PublishedLatency) -> float:
    return predict_total(case.analysis, LatencyTarget(case.device, case.run, host_us=0)).ms


def test_arrays_and_predictions_evaluate_one_formula(newest: list[PublishedLatency]) -> None:
    batch = Batch(newest[:12] + training_cases()[:3])
    for case, logs in zip(batch.cases[:12], batch.log_predicted(SHIPPED.classes["gpu"]), strict=False):
        assert _own_ms(case) == pytest.approx(np.exp(logs))
    last = batch.cases[-1]
    trained = batch.log_predicted(SHIPPED.classes["training"])[-1]
    assert _own_ms(last) == pytest.approx(np.exp(trained))


def test_a_fit_finds_the_numbers_that_made_the_times(newest: list[PublishedLatency]) -> None:
    """Oracle: times computed from known efficiencies."""
    truth = START._replace(tensor=1.2, memory=0.7, stem=2.0, nchw=0.5, norm=0.4)
    batch = Batch(newest)
    batch.log_ms = batch.log_predicted(truth)
    found = fit_efficiencies(batch, START._replace(norm=0.5), GPU)
    assert [getattr(found, name) for name in GPU] == pytest.approx([getattr(truth, name) for name in GPU], rel=0.01)


@pytest.mark.parametrize("copied", [0.01, 0.5])
def test_what_no_row_tells_is_not_fitted(copied: float) -> None:
    """Closed form: without DenseNet no row has a concatenation, so that wherever the fit starts `copied` is 1."""
    cases = cpu_cases()
    assert identified(Batch(cases), CPU_START, CPU) == CPU
    rest = Batch([case for case in cases if case.family != "densenet"])
    start = CPU_START._replace(copied=copied)
    assert set(CPU) - set(identified(rest, start, CPU)) == {"copied"}
    assert fit_efficiencies(rest, start, CPU).copied == 1


@pytest.mark.parametrize("path", [PATH, DOCUMENT], ids=["coefficients.json", "latency-prediction.md"])
@pytest.mark.parametrize(("planted", "status"), [("0.1784", 0), ("0.1785", 0), ("0.1788", 1), ("0.178 or so", 1)])
def test_check_fails_where_a_number_is_not_the_fits(
    path: Path, planted: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    """A planted fault: the CPU's `reordered`, by less and by more than what processors round differently."""
    fresh = path.read_text(encoding="utf-8")
    assert fresh.count("0.1784") == 1
    stale = tmp_path / path.name
    stale.write_text(fresh.replace("0.1784", planted), encoding="utf-8")
    monkeypatch.setattr(program, "output_files", lambda: {stale: fresh})
    assert program.main(["--check"]) == status
    assert (planted in capsys.readouterr().err) == bool(status)
    assert program.main([]) == 0
    assert stale.read_text(encoding="utf-8") == (fresh if status else fresh.replace("0.1784", planted))


def test_texts_disagree_by_words_whole_numbers_and_figures() -> None:
    assert disagreements("| −57.7 | 10 | RTX 3090 |", "| −57.6 | 10 | RTX 3090 |") == []
    assert disagreements("2500.0\n3", "2501.0\n3") == []
    for old, new in [("−57.7", "57.7"), ("10 rows", "11 rows"), ("57.7", "57.9"), ("2", "2.02"), ("a 0.1", "b 0.1")]:
        assert disagreements(f"first\n{old}", f"first\n{new}") == [f"line 2: {old!r} should be {new!r}"]
    assert disagreements("one line", "one line\nanother") == ["line 2: '' should be 'another'"]


def test_the_shipped_numbers_are_the_fits() -> None:
    """Three of the fit's steps; `make fit-check` takes all, and the document."""
    start = SHIPPED.classes["gpu"]
    assert (
        fit_efficiencies(Batch(nvidia_cases("V100", "amp", min_batch=64)), start, ("tensor",))
        == SHIPPED.classes["old_tensor"]
    )
    again = fit_efficiencies(Batch(training_cases()), start, ("tensor", "memory"))
    assert again == pytest.approx(SHIPPED.classes["training"], rel=2e-3)
    assert fit_host() == SHIPPED.host_us


def test_folds_hold_whole_models() -> None:
    folds = fold_of(inference_cases())
    assert len(folds) == 34
    assert set(folds.values()) == set(range(5))
    assert max(map(list(folds.values()).count, range(5))) == 7


def test_held_out_training_steps_beat_every_simple_rule(training: HeldOutErrors) -> None:
    """Bound: what the issue of this model asks for."""
    assert training.mean < 6
    assert all(training.mean < rule.mean for rule in baselines(training))
    assert len(training.cases) == 26


def test_given_one_network_a_tables_bias_is_gone(training: HeldOutErrors) -> None:
    shifted = HeldOutErrors("", training.cases, training.errors + 0.3)
    assert shifted.calibrated_on("resnet50").mean == pytest.approx(training.calibrated_on("resnet50").mean)
    assert len(shifted.calibrated_on("resnet50").cases) == 25


def test_figures_of_errors_by_hand(training: HeldOutErrors) -> None:
    judged = HeldOutErrors("", training.cases[:4], np.log([1.09, 0.8, 1.0, 1.06]))
    assert judged.mean == pytest.approx(8.75)
    assert judged.bias == pytest.approx(-1.25)
    assert judged.within == 75
    assert half_width(np.log([1.1] * 9 + [2.0])) == pytest.approx(0.155, abs=0.01)
    assert spearman(HeldOutErrors("", training.cases, np.zeros(26))) == pytest.approx(1)
    assert [round_significant(0.123456), round_significant(98765.4)] == [0.1235, 98770.0]
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
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert run.stdout == "True\n", run.stderr
