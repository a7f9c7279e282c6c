"""The verb report: markdown with its diagram, or JSON; and the check that committed reports are still true."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import click

from analyzer.cli.options import VariantType, deliver, format_option, input_size_option, output_option
from analyzer.cost.analysis import Analysis, analyze
from analyzer.cost.memory import ITEM_BYTES
from analyzer.errors import InvalidInput
from analyzer.families.network import Network, Size
from analyzer.files import write_whole

FOLDER = Path("reports")


@click.command("report")
@click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
@input_size_option
@format_option("markdown", "json")
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
@click.option("--refresh", is_flag=True, help="Write every report in reports/ and its index again.")
def report_verb(
    variants: tuple[Network, ...],
    input_size: Size | None,
    form: str,
    output: str | None,
    check: bool,
    spec: bool,
    batch_size: int | None,
    dtype: str | None,
    trainable: str | None,
    refresh: bool,
) -> int:
    """Write reports/VARIANT.md with its diagram, and print where.

    With --output - the report goes to standard output, and nothing is written. The diagram stands beside the markdown.
    """
    if check or refresh:
        _refuse_variants(variants, "--check" if check else "--refresh")
        return _check(FOLDER) if check else _refresh(FOLDER)
    if not variants:
        raise InvalidInput("report: VARIANT is missing; give one or more, such as resnet50, or --check.")
    if spec:
        return _write_specs(variants, output)
    analyses = [analyze(variant, input_size) for variant in variants]
    asked = _Asked(batch_size, dtype, trainable)
    if form == "json":
        _write_json(analyses, output, asked)
    elif asked != _Asked():
        deliver("\n".join(_memory_markdown(analysis, asked) for analysis in analyses), output)
    elif output is None:
        _write_reports(analyses, FOLDER)
    else:
        deliver(_markdown(analyses), output)
    return 0


class _Asked(NamedTuple):
    """What memory and training are asked for, where they are."""

    batch_size: int | None = None
    dtype: str | None = None
    trainable: str | None = None


def _memory_markdown(analysis: Analysis, asked: _Asked) -> str:
    from analyzer.render.memory import memory_section, transfer_section
    from analyzer.render.report import escaped

    batch = 1 if asked.batch_size is None else asked.batch_size
    title = f"# {escaped(analysis.network.title)}:"
    if asked.trainable is None:
        return f"{title} memory\n\n{memory_section(analysis, batch, asked.dtype)}\n"
    section = transfer_section(analysis, asked.trainable, batch, asked.dtype or "float32")
    return f"{title} training {escaped(asked.trainable)}\n\n{section}\n"


def _document(analysis: Analysis, asked: _Asked) -> dict[str, Any]:
    if asked == _Asked():
        return analysis.to_dict()
    from analyzer.cost.facts import memory_facts

    batch = 1 if asked.batch_size is None else asked.batch_size
    facts = memory_facts(analysis, batch, asked.dtype or "float32", asked.trainable or "all")
    return analysis.to_dict() | {"memory": facts}


def _write_specs(variants: tuple[Network, ...], output: str | None) -> int:
    from analyzer.families.toml_file import toml_text

    if len(variants) > 1:
        raise InvalidInput("report: --spec prints one network; give one VARIANT.")
    deliver("".join(toml_text(variant.spec) for variant in variants if variant.spec), output)
    return 0


def _refuse_variants(variants: tuple[Network, ...], flag: str) -> None:
    if variants:
        raise InvalidInput(f"report: {flag} covers every report in {FOLDER}/ and takes no VARIANT.")


def _write_json(analyses: list[Analysis], output: str | None, asked: _Asked) -> None:
    documents: list[dict[str, Any]] = [_document(analysis, asked) for analysis in analyses]
    document = documents[0] if len(documents) == 1 else {"schema": 1, "reports": documents}
    text = json.dumps(document, ensure_ascii=False)
    if output is None:
        from analyzer.render.bundle import recipe_of

        stem = recipe_of(analyses[0]).stem if len(analyses) == 1 else "reports"
        output = str(FOLDER / f"{stem}.json")
        write_whole(Path(output), text + "\n")
        click.echo(output)
    else:
        deliver(text + "\n", output)


def _markdown(analyses: list[Analysis]) -> str:
    from analyzer.render.bundle import recipe_of
    from analyzer.render.report import markdown_report

    return "\n".join(markdown_report(analysis, recipe_of(analysis).command, None) for analysis in analyses)


def _write_reports(analyses: list[Analysis], folder: Path) -> None:
    from analyzer.render.bundle import report_files

    for analysis in analyses:
        for name, content in report_files(analysis).items():
            write_whole(folder / name, content)
            click.echo(folder / name)
            if name.endswith(".dot") and not name.endswith("-blocks.dot"):
                click.echo(
                    "No renderer is here, so the diagram is DOT text; pip install pygraphviz draws it.", err=True
                )


def _check(folder: Path) -> int:
    from analyzer.render.bundle import stale

    sentences = list(stale(folder))
    for sentence in sentences:
        click.echo(sentence)
    if sentences:
        click.echo("Run `python -m analyzer report --refresh` and commit what it writes.", err=True)
    return 1 if sentences else 0


def _refresh(folder: Path) -> int:
    from analyzer.render.bundle import INDEX, index_text, made, ordered, recipes
    from analyzer.render.gallery import gallery_files

    analyses = [made(recipe) for recipe in recipes(folder)]
    _write_reports(analyses, folder)
    write_whole(folder / INDEX, index_text(ordered(analyses)))
    click.echo(folder / INDEX)
    for path, content in gallery_files(folder).items():
        write_whole(path, content)
        click.echo(path)
    return 0
