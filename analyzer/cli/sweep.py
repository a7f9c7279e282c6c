"""The verb sweep: a design space, its Pareto front, and the networks nearest to a budget."""

import json
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli.options import deliver, format_option
from analyzer.cli.sweep_run import Running, chart, reporting, results, rows, run_options, running
from analyzer.errors import InvalidInput, shortened
from analyzer.extras import extra_imports

if TYPE_CHECKING:
    from analyzer.sweep.space import Space


@click.command("sweep")
@click.argument("given", nargs=-1, metavar="[SPACE.toml | NAME | FOLDER] [TARGET…]")
@click.option("--family", default=None, help="Family of a space that is given by --set, such as resnet.")
@click.option("--variant", default=None, help="Network whose fields hold where --set gives none, such as resnet50.")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUES", help="[1,2,4], 8..64 step 8, or an expression.")
@click.option("--let", "variables", multiple=True, metavar="NAME=VALUES", help="A name of your own for expressions.")
@click.option("--where", "constraints", multiple=True, metavar="CONDITION", help='As "params <= 25.6e6".')
@click.option("--input-size", "sizes", multiple=True, metavar="SIZE[,SIZE…]", help="Inputs, each a candidate's.")
@click.option("--samples", type=int, default=None, help="Draw so many candidates instead of taking the whole grid.")
@click.option("--seed", type=int, default=None, help="Which candidates are drawn.  [default: 0]")
@click.option(
    "--pareto", default="macs,max:params", show_default=True, help="2 to 4 columns, the least or max: of each."
)
@click.option("--nearest", "base", default=None, metavar="VARIANT", help='Solve for TARGETs such as "macs=-20%".')
@click.option("--per", default=None, metavar="COLUMN", help="The nearest for each value of a column.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=25, show_default=True, help="Rows of the front in a table."
)
@format_option("table", "markdown", "csv", "json")
@run_options
def sweep_verb(given: tuple[str, ...], base: str | None, form: str, **options: Any) -> None:
    """Evaluate every network of a design space, and show which none other beats (extra sweep).

    A space is a TOML file, one of those that come with the program (resnext, wide_resnet, densenet, regnet, anynet_a to
    anynet_e), or --family or --variant with --set. A field takes a list of values, a range (16..256 step 8,
    16..1024 times 2), or follows from others ("2*widths[0]"). A FOLDER is one that --output made: it is finished where
    it was stopped, and shown.
    """
    run = running(options)
    if base is not None and (run.folder or run.charts):
        raise InvalidInput("--nearest: keeps and draws no rows; leave out the --output folder and --chart.")
    with extra_imports("sweep"):
        text = _summary(given, form, options, run) if base is None else _nearest(base, given, form, options)
    deliver(text, run.document)


def _summary(given: tuple[str, ...], form: str, options: dict[str, Any], run: Running) -> str:
    from analyzer.render import sweep as render
    from analyzer.render.tables import padded_table, terminal_table
    from analyzer.sweep.evaluate import asked_of
    from analyzer.sweep.pareto import objectives_of
    from analyzer.sweep.summary import summarised

    if options["per"] is not None:
        raise InvalidInput("--per: goes with --nearest.")
    objectives = objectives_of(options["pareto"])
    if held := results(given, _more(options), run):
        space, ask, run = held
    else:
        space = _sweepable(space_given(given, options))
        ask = tuple(asked_of(space, asked([name for name, _ in objectives])))
    found = summarised(space, objectives, ask=ask, parts=rows(space, ask, run))
    chart(found, run.charts)
    match form:
        case "json":
            return json.dumps(render.summary_facts(found), ensure_ascii=False) + "\n"
        case "csv":
            return render.summary_csv(found)
        case _:
            table = padded_table if form == "markdown" else terminal_table
            return render.summary_text(found, table, options["limit"]) + "\n"


def _sweepable(space: "Space") -> "Space":
    """The space; InvalidInput where a whole day would not do."""
    if space.size > _MOST:
        raise InvalidInput(
            f"space: its {space.size:.3g} candidates are over the bound of {_MOST:.0e}; draw some with --samples."
        )
    return space


_MOST = 10**11


def asked(names: list[str]) -> list[str]:
    """The columns that are worked out only where they are asked for."""
    return [name for name in names if name == "memory_bytes" or name.startswith("latency_ms:")]


def space_given(given: tuple[str, ...], options: dict[str, Any]) -> "Space":
    """The space of a file, of the program, or of --set; InvalidInput where it is not clear which."""
    from analyzer.sweep.space import packaged, restricted, space

    if len(given) > 1:
        raise InvalidInput(f"sweep: takes one space, not {len(given)}; targets go with --nearest.")
    if given:
        if options["family"] or options["variant"] or options["fields"] or options["variables"]:
            raise InvalidInput("sweep: give either a space or --family or --variant with --set.")
        return _drawn(restricted(packaged(given[0]), **_more(options)), options)
    family = options["family"]
    if family is None and options["variant"] is None:
        raise InvalidInput(
            "sweep: SPACE.toml is missing; give a file, a name such as resnext, or --variant with --set."
        )
    fields = _assigned("--set", options["fields"])
    variables = _assigned("--let", options["variables"])
    found = space(
        title=f"around {options['variant']}" if options["variant"] else f"of {family}",
        family=family,
        variant=options["variant"],
        fields=fields,
        variables=variables,
        **_more(options),
    )
    return _drawn(found, options)


def _drawn(found: "Space", options: dict[str, Any]) -> "Space":
    """The space; InvalidInput where a seed is given and nothing is drawn."""
    if options["seed"] is not None and found.samples is None:
        raise InvalidInput("--seed: says which candidates are drawn; say how many with --samples.")
    return found


def _more(options: dict[str, Any]) -> dict[str, Any]:
    """Constraints, sizes and samples that were given."""
    found = {
        "constraints": list(options["constraints"]),
        "input_sizes": [size for sizes in options["sizes"] for size in sizes.split(",")],
        "samples": options["samples"],
        "seed": options["seed"],
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _assigned(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, values = (piece.strip() for piece in text.partition("="))
        if not equals or not name or not values:
            raise InvalidInput(f"{option} {shortened(text)!r}: must be NAME=VALUES, such as cardinality=[1,2,4].")
        if name in found:
            raise InvalidInput(f"{option}: {shortened(name)} is given more than once.")
        found[name] = values
    return found


def _nearest(base: str, given: tuple[str, ...], form: str, options: dict[str, Any]) -> str:
    from analyzer.cost.analysis import analyze
    from analyzer.families.toml_file import network_at
    from analyzer.render import sweep as render
    from analyzer.render.tables import padded_table, terminal_table
    from analyzer.sweep.nearest import nearest, neighbourhood, targets_of

    if options["family"] or options["variant"]:
        raise InvalidInput("--nearest: names the network itself; leave out --family and --variant.")
    more = _more(options)
    sizes = more.get("input_sizes", [])
    if len(sizes) > 1:
        raise InvalidInput("--nearest: takes one input size.")
    from analyzer.sweep.space import input_size

    start = analyze(network_at(base), input_size(sizes[0]) if sizes else None)
    _, height, width = start.input_shape
    targets = targets_of(given, start)
    variables = _assigned("--let", options["variables"])
    more |= {"input_sizes": [(height, width)], "variables": variables}
    within = _sweepable(neighbourhood(start, _assigned("--set", options["fields"]), **more))
    with reporting() as progress:
        found = nearest(start, within, targets, per=options["per"], progress=progress)
    match form:
        case "json":
            return json.dumps(render.nearest_facts(found), ensure_ascii=False) + "\n"
        case "csv":
            return render.nearest_csv(found)
        case _:
            return render.nearest_text(found, padded_table if form == "markdown" else terminal_table) + "\n"
