"""The predicted half of the verb latency: a table, JSON, CSV or markdown, the roofline, and the list of devices."""

import json
from collections.abc import Sequence

from analyzer.cli.on_device import Asked
from analyzer.cli.options import deliver
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.families.network import Network, Size
from analyzer.latency.prediction import Prediction

MOST_DETAILED = 4
"""Predictions that are told by stage; more make one table."""
FORMS = ("table", "json", "csv", "markdown")


def predicted_verb(
    variants: Sequence[Network],
    asked: Asked,
    batch_sizes: Sequence[int],
    precisions: Sequence[str],
    input_size: Size | None,
    form: str,
    output: str | None,
    roofline: str | None,
) -> int:
    """Predict every network at every batch size and precision, and tell it in the form asked for."""
    settings = [
        asked._replace(precision=precision).setting(batch) for batch in batch_sizes for precision in precisions or [None]
    ]
    analyses = [analyze(variant, input_size) for variant in variants]
    found = [setting.predict(analysis) for analysis in analyses for setting in settings if setting]
    if roofline is not None:
        _write_roofline(...)
    deliver(_told(found, form), output)
    return 0
