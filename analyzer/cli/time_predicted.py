"""The predicted half of the verb latency: table, JSON, CSV or markdown; the roofline; the list of devices."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.cli.on_device import target_on
from analyzer.cli.options import deliver
from analyzer.cli.time_options import cells
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.network import Network, Size
from analyzer.latency.parse_target import known_devices
from analyzer.latency.predict import predict_latency
from analyzer.latency.prediction import Prediction
from analyzer.latency.target import LatencyTarget

MOST_DETAILED = 4
"""Predictions that are told by stage on a terminal; more make one table."""


def predicted_verb(
    variants: Sequence[Network],
    gpus: Sequence[str],
    input_size: Size | None,
    form: str,
    output: str | None,
    options: Mapping[str, Any],
) -> int:
    """Predict every network on every device in every way to run, in the form asked for."""
    targets = _targets(gpus, options)
    analyses = [analyze(variant, input_size) for variant in variants]
    found = [predict_latency(analysis, target) for analysis in analyses for target in targets]
    if options["roofline"] is not None:
        _draw_roofline(found, targets, options["roofline"])
    deliver(_told(found, form), output)
    return 0


def _draw_roofline(found: Sequence[Prediction], targets: Sequence[LatencyTarget], path: str) -> None:
    from analyzer.render.roofline import roofline

    if len(found) > 1:
        raise InvalidInput("--roofline: draws one network on one device; give one of each, one batch and precision.")
    deliver(roofline(found[0], targets[0], Path(path).suffix.removeprefix(".").lower()), path)


def _targets(gpus: Sequence[str], options: Mapping[str, Any]) -> list[LatencyTarget]:
    return [target_on(gpu, run, options) for gpu in gpus for run in cells(options)]


def _told(found: Sequence[Prediction], form: str) -> str:
    from analyzer.render import prediction as words

    match form:
        case "json":
            documents = [each.to_dict() for each in found]
            document = documents[0] if len(documents) == 1 else {"schema": 1, "predictions": documents}
            return json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
        case "csv":
            from analyzer.render.prediction_csv import spreadsheet

            return spreadsheet(found)
        case "markdown":
            return words.document(found)
        case _:
            details = [words.latency_text(each) for each in found if len(found) <= MOST_DETAILED]
            return "\n".join([words.summary_text(found), *details]) if len(found) > 1 else details[0]


def list_devices_verb(devices_file: str | None, form: str, output: str | None) -> int:
    """The devices that can be named, with their figures and where these come from."""
    from analyzer.render.devices import device_document, device_table

    known = list(known_devices(devices_file).values())
    if form not in ("table", "json", "markdown"):
        raise InvalidInput(f"--format {form}: the devices come as table, json or markdown.")
    deliver(device_document(known) if form == "json" else device_table(known, form), output)
    return 0
