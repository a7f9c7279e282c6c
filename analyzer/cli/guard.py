"""The verb check: does every network of the baseline still have the figures that were committed?"""

import json
from pathlib import Path

import click

from analyzer import regression
from analyzer.cli.options import format_option
from analyzer.families.registry import variant_names
from analyzer.regression import Change, Outcome
from analyzer.render.changes import change_table, moved_lines

_DEFAULT = Path("reports") / "baseline.json"


@click.command("check")
@click.option(
    "--baseline", type=click.Path(path_type=Path), default=_DEFAULT, show_default=True, help="The baseline file."
)
@click.option("--update", is_flag=True, help="Write what the networks are now; a new file gets every named variant.")
@click.option("--add", multiple=True, metavar="VARIANT[@SIZE]", help="Add a network to the baseline.")
@click.option("--remove", multiple=True, metavar="VARIANT[@SIZE]", help="Take a network out of the baseline.")
@format_option("text", "json")
def check_verb(baseline: Path, update: bool, add: tuple[str, ...], remove: tuple[str, ...], form: str) -> int:
    """Compare every network with the baseline; exit 1 and say which stage and op moved.

    Compared are fingerprint, params, MACs and activations of the whole and of each stage, output shapes, and every op.
    """
    if update or add or remove:
        return _update(baseline, update, add, remove)
    outcome = regression.check(regression.read(baseline))
    click.echo(_as_json(outcome) if form == "json" else _as_text(outcome, baseline))
    return 1 if outcome.changes or outcome.moved else 0


def _update(baseline: Path, update: bool, add: tuple[str, ...], remove: tuple[str, ...]) -> int:
    old = regression.read(baseline) if baseline.exists() or not update else {}
    added, removed = regression.derived(add), regression.derived(remove)
    kept = {key: facts for key, facts in old.items() if key not in removed}
    new = (regression.derived(kept or (() if old else variant_names())) if update else kept) | added
    changes = [
        change for key in sorted({*old, *new}) for change in regression.compared(key, old.get(key), new.get(key))
    ]
    regression.write(baseline, new)
    click.echo(f"{baseline}: {len(new)} networks, {len({change.network for change in changes})} changed.")
    if changes and old:
        click.echo(change_table(changes))
    return 0


def _as_text(outcome: Outcome, baseline: Path) -> str:
    if not outcome.changes and not outcome.moved:
        return f"{outcome.num_networks} networks agree with {baseline}."
    parts = [change_table(outcome.changes)] if outcome.changes else []
    return "\n\n".join([*parts, *moved_lines(outcome.moved)])


def _as_json(outcome: Outcome) -> str:
    document = {
        "schema": 1,
        "passed": not outcome.changes and not outcome.moved,
        "num_networks": outcome.num_networks,
        "changes": [_change_facts(change) for change in outcome.changes],
        "first_ops": [moved._asdict() for moved in outcome.moved],
    }
    return json.dumps(document, ensure_ascii=False)


def _change_facts(change: Change) -> dict[str, object]:
    return change._asdict()
