"""`python -m tools.latency_fit`: fit, cross-validate, and write the shipped numbers and their document."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from analyzer.files import write_whole
from analyzer.latency.predict.roofline import PATH
from tools.latency_fit.agreement import disagreements
from tools.latency_fit.document import DOCUMENT, document
from tools.latency_fit.intervals import coverage, half_widths
from tools.latency_fit.judge import across_devices, cross_validate, cross_validated_fits
from tools.latency_fit.search import FittedModel, cpu_cases, fit_all, inference_cases, nvidia_cases
from tools.latency_fit.tables import training_cases


def coefficients_document(model: FittedModel, intervals: dict[str, float]) -> dict[str, Any]:
    """The content of coefficients.json."""
    volta = [case for precision in ("amp", "float32") for case in nvidia_cases("V100", precision)]
    cases = [*inference_cases(), *cpu_cases(), *training_cases(), *volta]
    modes = {(case.device.name, case.run.precision, case.run.compiled, case.run.training) for case in cases}
    return {
        "written_by": "python -m tools.latency_fit",
        "efficiencies": {name: eff._asdict() for name, eff in model.classes.items()},
        "host_us": model.host_us,
        "intervals": intervals,
        "known": sorted(map(list, modes)),
    }


def output_files() -> dict[Path, str]:
    """Path → text of everything that the program writes."""
    model = fit_all()
    fits = cross_validated_fits(model)
    validated = {part.title: cross_validate(part) for part in fits}
    across = across_devices(model)
    facts = coefficients_document(model, half_widths(model, validated, across))
    text = document(model, facts, fits, validated, across, coverage(validated, across))
    return {PATH: json.dumps(facts, indent=2) + "\n", DOCUMENT: text}


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with --check say where they are not what the program writes; 1 where they are not."""
    parser = argparse.ArgumentParser(prog="python -m tools.latency_fit", description=main.__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a file is not what the fit gives"
    )
    check = parser.parse_args(arguments).check
    changed = False
    for path, text in output_files().items():
        differences = disagreements(path.read_text(encoding="utf-8") if path.is_file() else "", text)
        changed = changed or bool(differences)
        if differences and not check:
            write_whole(path, text)
            sys.stderr.write(f"{path.name} was written.\n")
        elif differences:
            sys.stderr.write("\n  ".join([f"{path.name} is not what the fit writes:", *differences]) + "\n")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
