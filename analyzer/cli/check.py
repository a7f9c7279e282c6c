"""The verb check: does every network of the baseline still have the figures that were committed?"""

from collections.abc import Callable, Mapping
from pathlib import Path

import click

from analyzer.baseline import baseline as regression
from analyzer.baseline.baseline import Baseline, CheckResult, Facts, FigureChange, Outcome, lock_folder
from analyzer.cli.options import format_option, output_option, write_output
from analyzer.errors import InvalidInput, shortened
from analyzer.families.registry import variant_names
from analyzer.render.compare import baseline_changes


def update_baseline(path: Path, update: bool, add: tuple[str, ...], remove: tuple[str, ...], module: str | None) -> int:
    """Write the baseline and print what changed, while no other run writes it."""
    added = regression.current_facts(add)
    own = dict([facts_of_module(module)]) if module else {}
    with lock_folder(path):
        old = regression.load_baseline(path) if path.exists() else Baseline({}, {})
        new = Baseline(old.networks, old.modules | own) if own else _with_networks(old, update, added, remove)
        changes = _changes(old, new)
        regression.write_baseline(path, new.networks, new.modules)
    click.echo(baseline_changes.update_text(str(path), len(new.networks) + len(new.modules), changes))
    return 0


def _with_networks(old: Baseline, update: bool, added: dict[str, Facts], remove: tuple[str, ...]) -> Baseline:
    removed = [_entry(old, key) for key in remove]
    networks = {key: facts for key, facts in old.networks.items() if key not in removed}
    if update:
        networks = regression.current_facts(networks or (() if old.networks or old.modules else variant_names()))
    return Baseline(networks | added, {key: facts for key, facts in old.modules.items() if key not in removed})


def _entry(old: Baseline, key: str) -> str:
    """The entry that a key names, as it stands or in its canonical form; InvalidInput where there is none."""
    if key in old.networks or key in old.modules:
        return key
    canonical = regression.key_of(regression.analysis_of(key))
    if canonical not in old.networks:
        raise InvalidInput(f"--remove {shortened(key)!r}: the baseline has no such network.")
    return canonical


def facts_of_module(name: str) -> tuple[str, Facts]:
    """(key, facts) of a module of the user's own, `PACKAGE.MODULE:FACTORY[@SIZE]`; the size is 224 if not given."""
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.network.module_facts import input_shape, module_facts, module_from_factory
    target, at, text = name.partition("@")
    sides = text if at else "224"
    size = regression.parse_key_size(name, sides)
    module = module_from_factory(target)
    return f"{target}@{sides}", module_facts(module, input_shape(module, size))


def _changes(old: Baseline, new: Baseline) -> list[FigureChange]:
    changes = [
        change
        for key in sorted({*old.networks, *new.networks})
        for change in regression.network_changes(key, old.networks.get(key), new.networks.get(key))
    ]
    for key in sorted({*old.modules, *new.modules}):
        changes += regression.module_changes(key, old.modules.get(key), new.modules.get(key))
    return changes


DEFAULT_BASELINE = Path("reports") / "baseline.json"


@click.command("check")
@click.argument("variants", nargs=-1, metavar="[VARIANT[@SIZE]…]")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    default=DEFAULT_BASELINE,
    show_default=True,
    help="The baseline file.",
)
@click.option("--update", is_flag=True, help="Write what the networks are now; a new file gets every named variant.")
@click.option("--add", multiple=True, metavar="VARIANT[@SIZE]", help="Add a network to the baseline.")
@click.option("--remove", multiple=True, metavar="VARIANT[@SIZE]", help="Take a network out of the baseline.")
@click.option("--tolerance", multiple=True, metavar="QUANTITY=SHARE%|N", help="Let params, macs or activations differ.")
@click.option("--max", "maxima", multiple=True, metavar="QUANTITY=N", help="A budget for each network: params=26M.")
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
    maxima: tuple[str, ...],
    devices: str | None,
    live: bool,
    module: str | None,
    output_format: str,
    output: str | None,
) -> int:
    """Compare every network with the baseline, or those named; exit 1 and say which stage and op moved.

    Compared are fingerprint, params, MACs and activations of the whole and of each stage, output shapes, and every op.
    With a tolerance the fingerprint is left out. Budgets: params, macs, flops, activations, depth, params_bytes,
    peak_activation_bytes, and latency:DEVICE@BATCH, predicted: --max latency:rtx4090@256:amp:compiled=40ms. A VARIANT
    may be a TOML file.
    """
    if update or add or remove:
        _refuse(variants=variants, tolerance=tolerance, max=maxima, live=live)
        if module and (add or remove):
            raise InvalidInput("check: --module goes with --update alone; --remove takes a module's key.")
        return update_baseline(baseline, update, add, remove, module)
    if module:
        _refuse(variants=variants, max=maxima, live=live)
        outcome = _check_module(baseline, module)
        verdict = _apply_limits(outcome, {}, tolerance, (), None)
    else:
        networks = _select_networks(baseline, variants)
        outcome = _check_live(networks) if live else regression.check_networks(networks)
        verdict = _apply_limits(outcome, networks, tolerance, maxima, devices)
    write_output(_FORMS[output_format](verdict, baseline) + "\n", output)
    return 0 if verdict.passed else 1


_FORMS: dict[str, Callable[[CheckResult, Path], str]] = {
    "text": lambda verdict, path: baseline_changes.verdict_text(verdict, str(path)),
    "json": lambda verdict, path: baseline_changes.verdict_json(verdict, str(path)),
    "markdown": lambda verdict, path: baseline_changes.verdict_markdown(verdict, str(path)),
    "github": lambda result, path: baseline_changes.github_annotations(result, str(path), path.read_text("utf-8")),
}


def _refuse(**options: object) -> None:
    for name, value in options.items():
        if value:
            what = "VARIANT" if name == "variants" else f"--{name}"
            raise InvalidInput(f"check: {what} does not go with --update, --add, --remove or --module.")


def _select_networks(baseline: Path, variants: tuple[str, ...]) -> dict[str, Facts]:
    networks = regression.read_networks(baseline)
    if not variants:
        return networks
    keys = [regression.key_of(regression.analysis_of(variant)) for variant in variants]
    for key in keys:
        if key not in networks:
            raise InvalidInput(f"network {shortened(key)!r}: is not in {baseline}; put it there with `check --add`.")
    return {key: networks[key] for key in keys}


def _apply_limits(
    outcome: Outcome,
    networks: Mapping[str, Facts],
    tolerance: tuple[str, ...],
    maxima: tuple[str, ...],
    devices: str | None,
) -> CheckResult:
    """The outcome after tolerances and budgets, which few runs have."""
    if not tolerance and not maxima:
        return CheckResult(outcome)
    from analyzer.baseline.budgets import budgets, exceeded_budgets, tolerances, untolerated_changes

    untolerated = untolerated_changes(outcome.changes, tolerances(tolerance))
    failing = {change.network for change in untolerated}
    moved = tuple(item for item in outcome.moved if item.network in failing)
    limits = budgets(maxima, devices)
    undescribed = {change.network for change in untolerated if change.quantity == "network"}
    budgeted = [key for key in networks if limits and key not in undescribed]
    excess = [item for key in budgeted for item in exceeded_budgets(key, regression.analysis_of(key), limits)]
    return CheckResult(
        Outcome(outcome.num_networks, untolerated, moved), tuple(excess), len(outcome.changes) - len(untolerated)
    )


def _check_live(networks: Mapping[str, Facts]) -> Outcome:
    from analyzer.extras import extra_imports

    with extra_imports("live"):
        from analyzer.live.network.module_facts import live_facts
    changes: list[regression.FigureChange] = []
    moved: list[regression.MovedOp] = []
    for key, old in networks.items():
        analysis = regression.analysis_of(key)
        facts, departure = live_facts(analysis)
        differences = tuple(regression.network_changes(key, old, facts | {"fingerprint": old["fingerprint"]}))
        changes += differences
        if departure:
            moved.append(regression.MovedOp(key, *departure))
        elif differences:
            moved += regression.check_network(key, old, analysis).moved
    return Outcome(len(networks), tuple(changes), tuple(moved))


def _check_module(baseline: Path, name: str) -> Outcome:
    modules = regression.load_baseline(baseline).modules
    key, facts = facts_of_module(name)
    if key not in modules:
        raise InvalidInput(f"module {shortened(key)!r}: is not in {baseline}; put it there with --update.")
    return regression.check_module(key, modules[key], facts)
