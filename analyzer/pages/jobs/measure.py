"""The program that a page starts to measure latency: one JSON object a line, progress first, then the result."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from analyzer.api import measure_latency
from analyzer.errors import InvalidInput, Unavailable
from analyzer.extras import extra_imports
from analyzer.families.network import parse_size
from analyzer.pages.jobs.messages import print_message
from analyzer.render.latency.measured import latency_table, record_warnings
from analyzer.text.units import percent, stage_label

if TYPE_CHECKING:
    from analyzer.latency.records.record import LatencyRecord, Timing


def main(variant: str, size: str, batch: str, device: str) -> int:
    """Measure a variant; prints {"words", "share"} and then {"stages", …} or {"problem"}; the exit status, 0 or 2."""
    try:
        print_message(words="Step 1 of 2: loading torch", share=0)
        with extra_imports("live"):
            import_module("analyzer.live.timing.timing")
        print_message(words="Step 2 of 2: warming up, then at least 50 batches", share=0.5)
        record = measure_latency(
            variant,
            input_size=parse_size(size),
            batch_size=int(batch),
            device=device,
            notice=lambda sentence: print_message(words=f"Step 2 of 2: {sentence.partition(';')[0]}", share=0.5),
        )
    except (InvalidInput, Unavailable) as error:
        print_message(problem=str(error))
        return 2
    print_message(
        stages=[_timing_facts(stage_label(stage.label), stage, record) for stage in record.stages],
        network=_timing_facts("whole network", record.network, record),
        warnings=record_warnings(record),
        conditions=latency_table(record),
        record=record.to_json(),
    )
    return 0


def _timing_facts(stage: str, timing: "Timing", record: "LatencyRecord") -> dict[str, Any]:
    return {
        "stage": stage,
        "median": round(timing.median_ms, 4),
        "low": round(timing.p10_ms, 4),
        "high": round(timing.p90_ms, 4),
        "share": float(percent(timing.median_ms, record.stage_sum_ms)),
    }


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
