"""The verb report in every format; and the check that committed reports are still true."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from analyzer.cli.options import (
    VariantType,
    device_options,
    format_option,
    input_sizes_option,
    optional_target,
    output_option,
    write_output,
)
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import ITEM_BYTES
from analyzer.errors import InvalidInput
from analyzer.families.network import Network, Size
from analyzer.files import write_whole
from analyzer.text.units import parse_count

if TYPE_CHECKING:
    from analyzer.latency.predict.target import LatencyTarget

FOLDER = Path("reports")
SizedAnalyses = tuple[Analysis, tuple[Analysis, ...]]
"""A network at the first input size, and at the others."""


@click.command("report")
@click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
@input_sizes_option
@format_option("markdown", "json", "csv", "html", "latex")
@output_option
@click.option("--check", is_flag=True, help="Exit 1 where the reports in reports/ are out of date; write nothing.")
@click.option("--spec", is_flag=True, help="Print the network as a TOML file instead.")
@click.option("--batch-size", type=int, default=None, help="Print memory at this batch instead; JSON's memory, too.")
@click.option("--dtype", type=click.Choice(list(ITEM_BYTES)), default=None, help="As --batch-size, in this dtype.")
@click.option(
    "--trainable",
    metavar="all|STAGE,…|new-head=N",
    default=None,
    help="Print what training these stages alone costs instead; head, stage4,head; or a new classifier of N classes.",
)
@click.option("--frozen-norm", is_flag=True, help="As --trainable, batch norm in evaluation mode meanwhile.")
@click.option(
    "--budget", metavar="BYTES", default=None, help="Print what fits 24GiB: the largest batch, the deepest network."
)
@click.option(
    "--claims", is_flag=True, help="Write reports/claims.md: what is said of these networks, and its verdict."
)
@click.option("--refresh", is_flag=True, help="Write every report in reports/ and its index again.")
@device_options
def report_verb(
    variants: tuple[Network, ...],
    input_sizes: tuple[tuple[Size, ...], ...],
    output_format: str,
    output: str | None,
    check: bool,
    spec: bool,
    batch_size: int | None,
    dtype: str | None,
    trainable: str | None,
    frozen_norm: bool,
    budget: str | None,
    claims: bool,
    refresh: bool,
    on_device: Mapping[str, Any],
) -> int:
    """Write reports/VARIANT.md with its diagram, and print where; or .json, .csv, .html, .tex.

    With --output - the report goes to standard output, and nothing is written. The diagram stands beside the markdown
    and inside the HTML, which is one file. CSV has one row an op; LaTeX is tables for a paper (booktabs). With --gpu
    the report has the predicted latency by stage, at --batch-size.
    """
    if check or refresh:
        _refuse_variants(variants, "--check" if check else "--refresh")
        return _check(FOLDER) if check else _refresh(FOLDER)
    if claims:
        _refuse_variants(variants, "--claims")
        return _write_claims(output_format, output)
    if not variants:
        raise InvalidInput("report: VARIANT is missing; give one or more, such as resnet50, or --check.")
    if spec:
        return _write_specs(variants, output)
    sizes: tuple[Size | None, ...] = tuple(dict.fromkeys(size for option in input_sizes for size in option)) or (None,)
    reports = [_report(variant, sizes) for variant in variants]
    target = optional_target(on_device, batch_size)
    memory_batch = None if target and output_format != "json" else batch_size
    _write(reports, output_format, output, _memory_options(memory_batch, dtype, trainable, frozen_norm, budget), target)
    return 0


def _report(variant: Network, sizes: tuple[Size | None, ...]) -> SizedAnalyses:
    first, *others = [analyze(variant, size) for size in sizes]
    return first, tuple(others)


def _write(
    reports: list[SizedAnalyses],
    output_format: str,
    output: str | None,
    memory: "_MemoryOptions",
    target: "LatencyTarget | None",
) -> None:
    if output_format == "json":
        _write_json(reports, output, memory, target)
    elif target and memory != _MemoryOptions():
        raise InvalidInput("--gpu: goes with a whole report; leave it out, or what is about memory and training alone.")
    elif memory != _MemoryOptions():
        _refuse_form(output_format)
        write_output("\n".join(_memory_markdown(analysis, memory) for analysis in _flat(reports)), output)
    elif output_format != "markdown":
        _write_form(reports, output_format, output, target)
    elif output is None:
        _write_reports(reports, FOLDER, target)
    else:
        write_output(_markdown(reports, target), output)


def _flat(reports: list[SizedAnalyses]) -> list[Analysis]:
    return [analysis for first, others in reports for analysis in (first, *others)]


def _refuse_form(output_format: str) -> None:
    if output_format != "markdown":
        raise InvalidInput(
            f"--format {output_format}: has no form of its own for memory and training; take markdown or json."
        )


class _MemoryOptions(NamedTuple):
    """The options about memory and training; all at their defaults where none is set."""

    batch_size: int | None = None
    dtype: str | None = None
    trainable: str | None = None
    frozen_norm: bool = False
    budget: int | None = None


def _memory_options(
    batch_size: int | None, dtype: str | None, trainable: str | None, frozen_norm: bool, budget: str | None
) -> _MemoryOptions:
    if budget is not None and (trainable is not None or frozen_norm):
        raise InvalidInput("--budget: is about training all parameters; leave out --trainable and --frozen-norm.")
    mode = "all" if frozen_norm and trainable is None else trainable
    return _MemoryOptions(
        batch_size, dtype, mode, frozen_norm, None if budget is None else parse_count("--budget", budget)
    )


def _memory_markdown(analysis: Analysis, memory: _MemoryOptions) -> str:
    from analyzer.render.report.memory import budget_section, memory_section, transfer_section
    from analyzer.text.tables import escape_markdown
    from analyzer.text.units import size_bytes

    batch = 1 if memory.batch_size is None else memory.batch_size
    title = f"# {escape_markdown(analysis.network.title)}:"
    if memory.budget is not None:
        section = budget_section(analysis, memory.budget, batch, memory.dtype or "float32")
        return f"{title} what fits {size_bytes(memory.budget)}\n\n{section}\n"
    if memory.trainable is None:
        return f"{title} memory\n\n{memory_section(analysis, batch, memory.dtype)}\n"
    section = transfer_section(analysis, memory.trainable, batch, memory.dtype or "float32", memory.frozen_norm)
    return f"{title} training {escape_markdown(memory.trainable)}\n\n{section}\n"


def _document(analysis: Analysis, memory: _MemoryOptions, target: "LatencyTarget | None") -> dict[str, Any]:
    latency = _latency(analysis, target) if target else {}
    if memory == _MemoryOptions():
        return analysis.to_dict() | latency
    from analyzer.cost.memory_json import budget_facts, memory_facts

    batch, dtype = 1 if memory.batch_size is None else memory.batch_size, memory.dtype or "float32"
    facts = memory_facts(analysis, batch, dtype, memory.trainable or "all", memory.frozen_norm)
    if memory.budget is not None:
        facts["budget"] = budget_facts(analysis, memory.budget, batch, dtype)
    return analysis.to_dict() | {"memory": facts} | latency


def _latency(analysis: Analysis, target: "LatencyTarget") -> dict[str, Any]:
    from analyzer.latency.predict.predict import predict_latency  # few reports have one

    return {"latency": predict_latency(analysis, target).to_dict()}


def _write_specs(variants: tuple[Network, ...], output: str | None) -> int:
    from analyzer.families.toml_file import toml_text

    if len(variants) > 1:
        raise InvalidInput("report: --spec prints one network; give one VARIANT.")
    write_output("".join(toml_text(variant.spec) for variant in variants if variant.spec), output)
    return 0


def _refuse_variants(variants: tuple[Network, ...], flag: str) -> None:
    if variants:
        raise InvalidInput(f"report: {flag} is about all networks in {FOLDER}/ and takes no VARIANT.")


def _write_claims(output_format: str, output: str | None) -> int:
    from analyzer.render.report.claims import claims_document, claims_page

    if output_format not in ("markdown", "json"):
        raise InvalidInput(f"--format {output_format}: claims come as markdown or json.")
    text = json.dumps(claims_document(), ensure_ascii=False) + "\n" if output_format == "json" else claims_page()
    if output is None:
        _write_and_print(FOLDER / f"claims.{'json' if output_format == 'json' else 'md'}", text)
    else:
        write_output(text, output)
    return 0


def _write_json(
    reports: list[SizedAnalyses], output: str | None, memory: _MemoryOptions, target: "LatencyTarget | None"
) -> None:
    documents: list[dict[str, Any]] = [_document(analysis, memory, target) for analysis in _flat(reports)]
    document = documents[0] if len(documents) == 1 else {"schema": 1, "reports": documents}
    text = json.dumps(document, ensure_ascii=False) + "\n"
    if output is None:
        from analyzer.render.report.bundle import report_source

        stem = report_source(*reports[0], target).stem if len(reports) == 1 else "reports"
        _write_and_print(FOLDER / f"{stem}.json", text)
    else:
        write_output(text, output)


def _write_form(
    reports: list[SizedAnalyses], output_format: str, output: str | None, target: "LatencyTarget | None"
) -> None:
    """One file a network in the folder, or everything in the one document that is asked for."""
    from analyzer.render.report.bundle import report_source
    from analyzer.render.report.formats import SUFFIXES, report_document

    if output is None:
        for report in reports:
            path = FOLDER / f"{report_source(*report, target).stem}.{SUFFIXES[output_format]}"
            _write_and_print(path, report_document(output_format, [report], target))
    else:
        write_output(report_document(output_format, reports, target), output)


def _write_and_print(path: Path, content: str | bytes) -> None:
    write_whole(path, content)
    click.echo(path)


def _markdown(reports: list[SizedAnalyses], target: "LatencyTarget | None") -> str:
    from analyzer.render.report.bundle import report_source
    from analyzer.render.report.report import markdown_report

    return "\n".join(
        markdown_report(first, report_source(first, others, target).command, None, others, target)
        for first, others in reports
    )


def _write_reports(reports: list[SizedAnalyses], folder: Path, target: "LatencyTarget | None") -> None:
    for report in reports:
        _write_files(folder, *report, target)


def _write_files(folder: Path, analysis: Analysis, others: Sequence[Analysis], target: "LatencyTarget | None") -> None:
    from analyzer.render.report.bundle import report_files, why_not_drawn

    for name, content in report_files(analysis, others, target).items():
        _write_and_print(folder / name, content)
        if name.endswith(".dot") and not name.endswith("-blocks.dot"):
            click.echo(f"The diagrams are DOT text: {why_not_drawn(str(content))}", err=True)


def _check(folder: Path) -> int:
    from analyzer.render.report.bundle import stale_files

    sentences = list(stale_files(folder))
    for sentence in sentences:
        click.echo(sentence)
    if sentences:
        click.echo("Run `python -m analyzer report --refresh` and commit what it writes.", err=True)
    return 1 if sentences else 0


def _refresh(folder: Path) -> int:
    from analyzer.render.report.bundle import build_report, index_files, report_sources
    from analyzer.render.report.gallery import gallery_files

    reports = [build_report(recipe) for recipe in report_sources(folder)]
    for report in reports:
        _write_files(folder, *report)
    for name, text in index_files(folder, reports):
        _write_and_print(folder / name, text)
    for path, content in gallery_files(folder).items():
        _write_and_print(path, content)
    return 0
