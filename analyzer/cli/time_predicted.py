"""The predicted half of the verb latency: table, JSON, CSV or markdown; the roofline; the list of devices."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.cli.on_device import Asked
from analyzer.cli.options import deliver
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.network import Network
from analyzer.latency.prediction import Prediction
from analyzer.latency.setting import Setting, known_devices

MOST_DETAILED = 4
"""Predictions that are told by stage on a terminal; more make one table."""


def predicted_verb(variants: Sequence[Network], gpus: Sequence[str], options: Mapping[str, Any]) -> int:
    """Predict every network on every device at every batch size and precision, in the form asked for."""
    if options["num_bench_iter"] is not None:
        raise InvalidInput("--num-bench-iter: is about a measured latency; leave out --gpu, or it.")
    settings = _settings(gpus, options)
    analyses = [analyze(variant, options["input_size"]) for variant in variants]
    found = [setting.predict(analysis) for analysis in analyses for setting in settings]
    if options["roofline"] is not None:
        _draw_roofline(found, settings, options["roofline"])
    deliver(_told(found, options["form"]), options["output"])
    return 0


def _draw_roofline(found: Sequence[Prediction], settings: Sequence[Setting], path: str) -> None:
    from analyzer.render.roofline import roofline

    if len(found) > 1:
        raise InvalidInput("--roofline: draws one network on one device; give one of each, one batch and precision.")
    deliver(roofline(found[0], settings[0], Path(path).suffix.removeprefix(".").lower()), path)


def _settings(gpus: Sequence[str], options: Mapping[str, Any]) -> list[Setting]:
    named = {name: options[name] for name in Asked._fields if name not in ("gpu", "precision")}
    asked = [Asked(gpu=gpu, precision=word, **named) for gpu in gpus for word in options["precision"]]
    made = [each.setting(batch) for each in asked for batch in options["batch_size"]]
    return [setting for setting in made if setting]


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
