"""The published latencies that the predictor is fitted to and judged by, as cases, and which rows are left out."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import analyzer
from analyzer.cost.analysis import Analysis, analyze
from analyzer.latency.predict.devices import Device, device_named
from analyzer.latency.run_settings import RunSettings

FOLDER = Path(analyzer.__file__).with_name("published")

EXCLUDED = {
    "resnet10t resnet14t resnet26t resnet50t": "a tiered stem (24-32-64) that no field expresses",
    "resnet32ts resnet33ts resnet51q resnet61q resnext26ts": "other blocks (SiLU, quad stems)",
    "resnet50_mlp": "a hidden layer in its head",
    "resnetaa34d resnetaa50 resnetaa50d resnetaa101d": "average pools that blur before each stride",
    "resnetblur18 resnetblur50 resnetblur50d resnetblur101d densenetblur121d": "blur filters before each stride",
    "densenet121d densenet264d densenet264d_iabn": "a deep stem, which the DenseNet family has no field for",
}
"""Networks that timm's table calls `core` and no field expresses → why."""


@dataclass(frozen=True, slots=True)
class PublishedLatency:
    """One published time: the network, where and how it ran, and its milliseconds for one batch."""

    model: str
    expression: str
    family: str
    device: Device
    run: RunSettings
    image_size: int
    batch_ms: float
    table: str

    @property
    def analysis(self) -> Analysis:
        """The network's analysis at that image size."""
        return _cached_analysis(self.expression, self.image_size)


@cache
def _cached_analysis(expression: str, size: int) -> Analysis:
    return analyze(expression, size)


def read_cases(name: str) -> list[PublishedLatency]:
    """The rows of a published table; its `table` names device, mode and software version."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [published_latency(row) for row in csv.DictReader(file)]


def published_latency(row: dict[str, str]) -> PublishedLatency:
    """A row as a case."""
    mode = row.get("mode", "")
    run = RunSettings(
        int(row["batch_size"]),
        row["precision"],
        row["compiled"] == "1",
        row["layout"] == "nhwc",
        mode == "graph",
        "train_" in row or mode == "training",
    )
    parts = (row["device"], row["precision"], row["layout"].upper(), "compiled" if run.compiled else "eager")
    table = " ".join([*parts, f"torch {row['torch']}"])
    size, time = int(row["image_size"]), float(row["batch_ms"])
    return PublishedLatency(
        row["model"], row["expression"], row["family"], device_named(row["device"]), run, size, time, table
    )


def inference_expressions() -> list[str]:
    """The networks of timm's inference table, each once, in alphabetical order."""
    return sorted({case.expression for case in read_cases("timm_inference")})


def training_cases() -> list[PublishedLatency]:
    """Training steps of timm."""
    return [
        PublishedLatency(
            case.model,
            case.expression,
            case.family,
            case.device,
            case.run._replace(training=True),
            *case_sort_key(case),
        )
        for case in read_cases("timm_training")
    ]


def case_sort_key(case: PublishedLatency) -> tuple[int, float, str]:
    """A case's last fields."""
    return case.image_size, case.batch_ms, case.table
