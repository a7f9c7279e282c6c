"""The device table, names in any spelling, devices of one's own, and calibration by measured networks."""

import csv
import json
from pathlib import Path

import pytest

from analyzer import predict_latency
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.latency.predict.calibration import calibrated_factor
from analyzer.latency.predict.devices import FIGURES, device_named, devices, read_devices
from analyzer.latency.predict.predict import predict_total
from analyzer.latency.predict.target import LatencyTarget
from analyzer.latency.run_settings import RunSettings

NAMES = {
    "rtx4090": "RTX 4090",
    "4090": "RTX 4090",
    "NVIDIA GeForce RTX 4090": "RTX 4090",
    "nvidia-l40s": "L40S",
    "T4": "Tesla T4",
    "Tesla V100-SXM2-16GB": "Tesla V100 SXM2",
    "NVIDIA H100 80GB HBM3": "H100 SXM",
    "NVIDIA A100-SXM4-80GB": "A100 80GB SXM",
    "NVIDIA A100-PCIE-40GB": "A100 40GB PCIe",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "RTX PRO 6000 Blackwell Max-Q",
    "i9 10940x": "Core i9-10940X",
}
"""What people and drivers call a device → its name in the table."""


@pytest.mark.parametrize(("written", "name"), NAMES.items())
def test_a_device_is_found_however_its_name_is_written(written: str, name: str) -> None:
    assert device_named(written).name == name


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("RTX 4091", "did you mean RTX 4090"),
        ("H100", "did you mean H100 PCIe or H100 SXM?"),
        ("abacus", "known are Tesla P100 PCIe, "),
        ("", "known are "),
        ("x" * 5000, "…' is unknown"),
    ],
)
def test_an_unknown_device_is_one_sentence_with_the_closest(wrong: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        device_named(wrong)
    assert told in str(refused.value)
    assert len(str(refused.value)) < 300


def test_every_figure_says_whether_it_was_checked() -> None:
    assert len(devices()) == 25
    for device in devices().values():
        stated = [name for name in FIGURES if getattr(device, name) or name == "tensor_tflops"]
        assert set(device.sources) >= set(stated) - {"tensor_tflops"}
        assert set(device.sources.values()) <= {"verified", "unverified"}
    assert device_named("RTX 3090").sources["tensor_tflops"] == "unverified"
    assert set(device_named("RTX 4090").sources.values()) == {"verified"}


def test_tensor_peaks_follow_from_multiprocessors_and_clocks() -> None:
    """Closed form: multiprocessors × boost clock × FLOP a clock, as the notes of the table state it."""
    for name, clock, flop in (("RTX 3090", 1.695, 512), ("T4", 1.59, 1024), ("RTX 5090", 2.407, 512)):
        device = device_named(name)
        assert device.tensor_tflops == pytest.approx(device.sms * clock * flop / 1000, rel=0.01)


def _toml(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_device_of_ones_own_is_read_from_toml(tmp_path: Path) -> None:
    own = "fp32_tflops = 10\nmem_bw_gbs = 400\nl2_mb = 4\nsms = 30\ntdp_w = 100\nmem_gb = 8"
    path = _toml(tmp_path, f'["My 4090"]\nlike = "rtx 4090"\ntdp_w = 300\n\n["Lone"]\n{own}\n')
    mine, lone = read_devices(path).values()
    assert (mine.name, mine.tdp_w, mine.sms, mine.sources["tdp_w"]) == ("My 4090", 300, 128, "stated")
    assert lone.tensor_tflops == 0
    capped, alone = (predict_latency("resnet18", device=each, batch_size=64, precision="amp") for each in (mine, lone))
    full = predict_latency("resnet18", device="RTX 4090", batch_size=64, precision="amp")
    assert (capped.device, capped.evidence) == ("My 4090", "specs")
    assert full.device_ms < capped.device_ms < alone.device_ms


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", 'must hold a table ["name"]'),
        ("a = 1", 'must hold a table ["name"]'),
        ("[x", "cannot be read"),
        ("[x]\nfp32_tflops = 1", "device x: states no mem_bw_gbs."),
        ('[x]\nlike = "4090"\nspeed = 3', "device x: speed is none of like, kind"),
        ('[x]\nlike = "RTX 4090"\nsms = "many"', "sms many must be a number"),
        ('[x]\nlike = "RTX 4090"\nmem_bw_gbs = 0', "mem_bw_gbs 0 must be a number of at least 0.001"),
        ('[x]\nlike = "RTX 4090"\nkind = "tpu"', "kind 'tpu' must be gpu or cpu"),
        ('[x]\nlike = "RTX 4O9O"', "is unknown"),
    ],
)
def test_a_bad_device_file_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_devices(_toml(tmp_path, text))
    assert told in str(refused.value)


def _timm(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "benchmark-infer.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _row(model: str, factor: float, run: RunSettings, **more: object) -> dict[str, object]:
    analysis = analyze(model)
    step = factor * predict_total(analysis, LatencyTarget(device_named("RTX 5090"), run, host_us=0)).ms
    facts = {"infer_step_time": step, "infer_batch_size": run.batch_size, "infer_img_size": 224}
    return {"model": model, **facts, "param_count": round(analysis.params / 1e6, 2), **more}


RUN = RunSettings(256, "amp", channels_last=True)
COMPILED = RUN._replace(compiled=True)


def test_a_table_of_timm_gives_the_devices_factor(tmp_path: Path) -> None:
    rows = [_row("resnet50", 1.2, RUN), _row("resnet18", 1.3, RUN), _row("densenet121", 1.1, RUN)]
    rows.append({**_row("resnet101", 9.0, RUN), "param_count": 1.0, "model": "resnet101"})  # another network
    rows.append({**_row("resnet34", 9.0, RUN), "model": "convnext_base"})
    path = _timm(tmp_path, rows)
    assert calibrated_factor(path, device_named("RTX 5090"), RUN) == pytest.approx(1.2)
    free, tied = (
        predict_latency(
            "resnet152", device="RTX 5090", batch_size=256, precision="amp", channels_last=True, calibration=given
        )
        for given in (None, path)
    )
    assert tied.device_ms == pytest.approx(1.2 * free.device_ms)
    assert (free.evidence, tied.evidence) == ("specs", "calibrated")
    assert tied.high_ms / tied.ms < free.high_ms / free.ms
    assert sum(stage.ms for stage in tied.stages) == pytest.approx(tied.ms)


def test_rows_of_the_same_mode_and_device_count(tmp_path: Path) -> None:
    rows = [
        _row("resnet50", 1.2, RUN, device="rtx5090", layout="nhwc", compiled=0, precision="amp"),
        _row(
            "resnet18", 3.0, RUN._replace(compiled=True), device="rtx5090", layout="nhwc", compiled=1, precision="amp"
        ),
        _row("resnet18", 5.0, RUN, device="rtx4090", layout="nhwc", compiled=0, precision="amp"),
    ]
    path = _timm(tmp_path, rows)
    assert calibrated_factor(path, device_named("RTX 5090"), RUN) == pytest.approx(1.2)
    assert calibrated_factor(path, device_named("RTX 5090"), COMPILED) == pytest.approx(3.0)
    with pytest.raises(InvalidInput, match=r"has no row of Tesla T4\."):
        calibrated_factor(path, device_named("T4"), RUN)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "model,step\nresnet50,1\n", "has no columns model and param_count"),
        ("a.csv", "model,param_count\nresnet50,25.56\n", "has no column infer_img_size."),
        ("a.csv", "", "has no columns model and param_count"),
        ("a.csv", "model,param_count,infer_img_size\nunheard,25.56,224\n", "it holds no network known here"),
        ("a.json", "{", "is no JSON"),
        ("a.json", json.dumps({"schema": 1}), "latency record"),
        ("none.csv", None, "cannot be read"),
        ("none.json", None, "does not exist"),
    ],
)
def test_a_damaged_calibration_is_one_sentence(tmp_path: Path, name: str, text: str | None, told: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        calibrated_factor(path, device_named("RTX 5090"), RUN)
    assert told in str(refused.value)
    assert str(path)[-20:] in str(refused.value)
