"""The verb check: does every network of the baseline still have the figures that were committed?"""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from analyzer import regression
from analyzer.cli.options import deliver, format_option, output_option
from analyzer.errors import InvalidInput, shortened
from analyzer.regression import Facts, Outcome, Verdict
from analyzer.render import changes

DEFAULT = Path("reports") / "baseline.json"


@click.command("check")
@click.argument("variants", nargs=-1, metavar="[VARIANT[@SIZE]…]")
@click.option(
    "--baseline", type=click.Path(path_type=Path), default=DEFAULT, show_default=True, help="The baseline file."
)
@click.option("--update", is_flag=True, help="Write what the networks are now; a new file gets every named variant.")
@click.option("--add", multiple=True, metavar="VARIANT[@SIZE]", help="Add a network to the baseline.")
@click.option("--remove", multiple=True, metavar="VARIANT[@SIZE]", help="Take a network out of the baseline.")
@click.option("--tolerance", multiple=True, metavar="QUANTITY=SHARE%|N", help="Let params, macs or activations differ.")
@click.option("--max", "most", multiple=True, metavar="QUANTITY=N", help="A budget for each network: params=26M.")
@click.option("--devices", metavar="FILE.toml", help="Devices of your own, for budgets of latency.")
@click.option("--live", is_flag=True, help="Compare what the live networks show instead; needs torch.")
@click.option("--module", metavar="PACKAGE.MODULE:FACTORY[@SIZE]", help="Compare a torch module of your own instead.")
@format_option("text", "json", "markdown", "github")
@output_option
def check_verb(
    variants: tuple[str, ...],
    baseline: Path,
    update: bool,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    tolerance: tuple[str, ...],
    most: tuple[str, ...],
    devices: str | None,
    live: bool,
    module: str | None,
    form: str,
    output: str | None,
) -> int:
    """Compare every network with the baseline, or those named; exit 1 and say which stage and op moved.

    Compared are fingerprint, params, MACs and activations of the whole and of each stage, output shapes, and every op.
    With a tolerance the fingerprint is left out. Budgets: params, macs, flops, activations, depth, params_bytes,
    peak_activation_bytes, and latency:DEVICE@BATCH, predicted: --max latency:rtx4090@256:amp:compiled=40ms. A VARIANT
    may be a TOML file.
    """
    if update or add or remove:
        from analyzer.cli.guard_update import update_baseline

        _refuse(variants=variants, tolerance=tolerance, max=most, live=live)
        if module and (add or remove):
            raise InvalidInput("check: --module goes with --update alone; --remove takes a module's key.")
        return update_baseline(baseline, update, add, remove, module)
    if module:
        _refuse(variants=variants, max=most, live=live)
        found = _of_module(baseline, module)
        verdict = _judged(found, {}, tolerance, (), None)
    else:
        networks = _chosen(baseline, variants)
        found = _live(networks) if live else regression.check(networks)
        verdict = _judged(found, networks, tolerance, most, devices)
    deliver(_FORMS[form](verdict, baseline) + "\n", output)
    return 0 if verdict.passed else 1


_FORMS: dict[str, Callable[[Verdict, Path], str]] = {
    "text": lambda verdict, path: changes.as_text(verdict, str(path)),
    "json": lambda verdict, path: changes.as_json(verdict, str(path)),
    "markdown": lambda verdict, path: changes.as_markdown(verdict, str(path)),
    "github": lambda verdict, path: changes.as_github(verdict, str(path), path.read_text(encoding="utf-8")),
}


def _refuse(**given: object) -> None:
    for name, value in given.items():
        if value:
            what = "VARIANT" if name == "variants" else f"--{name}"
            raise InvalidInput(f"check: {what} does not go with --update, --add, --remove or --module.")


def _chosen(baseline: Path, variants: tuple[str, ...]) -> dict[str, Facts]:
    networks = regression.read(baseline)
    if not variants:
        return networks
    keys = [regression.key_of(regression.analysis_of(variant)) for variant in variants]
    for key in keys:
        if key not in networks:
            raise InvalidInput(f"network {shortened(key)!r}: is not in {baseline}; put it there with `check --add`.")
    return {key: networks[key] for key in keys}


def _judged(
    outcome: Outcome,
    networks: Mapping[str, Facts],
    tolerance: tuple[str, ...],
    most: tuple[str, ...],
    devices: str | None,
) -> Verdict:
    """The outcome after tolerances and budgets, which few runs have."""
    if not tolerance and not most:
        return Verdict(outcome)
    from analyzer.regression.limits import beyond, budgets, over, tolerances

    kept = beyond(outcome.changes, tolerances(tolerance))
    failing = {change.network for change in kept}
    moved = tuple(item for item in outcome.moved if item.network in failing)
    limits = budgets(most, devices)
    undescribed = {change.network for change in kept if change.quantity == "network"}
    budgeted = [key for key in networks if limits and key not in undescribed]
    excess = [each for key in budgeted for each in over(key, regression.analysis_of(key), limits)]
    return Verdict(Outcome(outcome.num_networks, kept, moved), tuple(excess), len(outcome.changes) - len(kept))


def _live(networks: Mapping[str, Facts]) -> Outcome:
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.module_facts import live_facts
    changes: list[regression.Change] = []
    moved: list[regression.Moved] = []
    for key, old in networks.items():
        analysis = regression.analysis_of(key)
        shown, departure = live_facts(analysis)
        found = tuple(regression.compared(key, old, shown | {"fingerprint": old["fingerprint"]}))
        changes += found
        if departure:
            moved.append(regression.Moved(key, *departure))
        elif found:
            moved += regression.check_one(key, old, analysis).moved
    return Outcome(len(networks), tuple(changes), tuple(moved))


def _of_module(baseline: Path, name: str) -> Outcome:
    from analyzer.cli.guard_update import facts_of_module
    from analyzer.regression.modules import check_module

    modules = regression.load(baseline).modules
    key, facts = facts_of_module(name)
    if key not in modules:
        raise InvalidInput(f"module {shortened(key)!r}: is not in {baseline}; put it there with --update.")
    return check_module(key, modules[key], facts)
