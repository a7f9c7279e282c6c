"""A measured latency as a table for the terminal, with its warnings and conditions."""

from collections.abc import Iterator

from analyzer.latency.record import Conditions, LatencyRecord, Timing
from analyzer.render.tables import terminal_table
from analyzer.render.units import percent, shape, stage_words


def latency_table(record: LatencyRecord) -> str:
    """Stages, whole, their sum against it, what to beware of, and the conditions; times are of one batch."""
    given = record.conditions
    lead = f"{record.variant}, measured on {given.device_name} ({given.device}), one batch of {_batch(record)}"
    heads = ["", "median ms", "p10–p90 ms", "share"]
    table = terminal_table(heads, [*_stage_rows(record), *_sum_rows(record)], "lrrr")
    return (
        "\n".join([lead, "", table, "", *warnings(record), _conditions(given, len(record.network.samples_ms))]) + "\n"
    )


def _batch(record: LatencyRecord) -> str:
    return f"{record.batch_size} × {shape(record.input_shape)}"


def _stage_rows(record: LatencyRecord) -> Iterator[list[str]]:
    places = _places(record)
    for stage in record.stages:
        share = f"{percent(stage.median_ms, record.stage_sum_ms)} %"
        yield [stage_words(stage.label), f"{stage.median_ms:.{places}f}", _spread(stage, places), share]


def _sum_rows(record: LatencyRecord) -> Iterator[list[str]]:
    places = _places(record)
    yield ["sum of stages", f"{record.stage_sum_ms:.{places}f}", "", "100.0 %"]
    against = f"{percent(record.network.median_ms, record.stage_sum_ms)} %"
    yield ["whole network", f"{record.network.median_ms:.{places}f}", _spread(record.network, places), against]


def _spread(timing: Timing, places: int) -> str:
    return f"{timing.p10_ms:.{places}f}–{timing.p90_ms:.{places}f}"


def _places(record: LatencyRecord) -> int:
    """Decimals that leave the whole at least four significant digits."""
    return 1 if record.network.median_ms >= 100 else 2 if record.network.median_ms >= 10 else 3


def warnings(record: LatencyRecord) -> list[str]:
    """What makes the figures doubtful, a sentence each."""
    told = []
    if record.network.unsteady:
        spread = percent(record.network.iqr_ms, record.network.median_ms, 0)
        told.append(f"Unsteady: the middle half of the samples spreads over {spread} % of the median (over 5 %).")
    if record.split_differs:
        ratio = percent(record.stage_sum_ratio, 1)
        told.append(f"The stages add up to {ratio} % of the whole (more than 5 % off): read the shares with care.")
    if not record.conditions.output_finite:
        told.append(f"The output is not finite: random weights overflow in {record.conditions.precision}.")
    return told


def _conditions(given: Conditions, num_samples: int) -> str:
    facts = [f"{name.replace('_', ' ')} {value}" for name, value in _known(given)]
    precision = f"{given.precision} (autocast {given.autocast})" if given.autocast else given.precision
    told = [
        f"{num_samples} samples after {given.num_warm_iter} warm-up runs, {given.order}",
        f"{precision}, {given.layout.replace('_', ' ')} layout",
        f"{given.mode}, {'compiled' if given.compiled else 'eager'}",
        f"{given.clock}, {given.caches} caches",
        ", ".join(facts),
        f"torch {given.torch}, Python {given.python}, {given.platform}, {given.date}",
    ]
    return "Conditions: " + ";\n  ".join(told) + "."


def _known(given: Conditions) -> Iterator[tuple[str, object]]:
    for name, value in given.machine.items():
        if value is not None:
            yield name, {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
