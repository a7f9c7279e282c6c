"""Writing a baseline: everything as it is now, networks added and taken out, a module of the user's own."""

from pathlib import Path

import click

from analyzer import regression
from analyzer.errors import InvalidInput, shortened
from analyzer.families.registry import variant_names
from analyzer.regression import Baseline, Change, Facts
from analyzer.regression.lock import alone
from analyzer.render.changes import update_text


def update_baseline(path: Path, update: bool, add: tuple[str, ...], remove: tuple[str, ...], module: str | None) -> int:
    """Write the baseline and print what changed, while no other run writes it."""
    added = regression.derived(add)
    own = dict([facts_of_module(module)]) if module else {}
    with alone(path):
        old = regression.load(path) if path.exists() else Baseline({}, {})
        new = Baseline(old.networks, old.modules | own) if own else _with_networks(old, update, added, remove)
        found = _changes(old, new)
        regression.write(path, new.networks, new.modules)
    click.echo(update_text(str(path), len(new.networks) + len(new.modules), found))
    return 0


def _with_networks(old: Baseline, update: bool, added: dict[str, Facts], remove: tuple[str, ...]) -> Baseline:
    removed = [_entry(old, key) for key in remove]
    kept = {key: facts for key, facts in old.networks.items() if key not in removed}
    if update:
        kept = regression.derived(kept or (() if old.networks or old.modules else variant_names()))
    return Baseline(kept | added, {key: facts for key, facts in old.modules.items() if key not in removed})


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
        from analyzer.live.module_facts import input_shape, made, module_facts
    target, at, text = name.partition("@")
    sides = text if at else "224"
    size = regression.size_of(name, sides)
    net = made(target)
    return f"{target}@{sides}", module_facts(net, input_shape(net, size))


def _changes(old: Baseline, new: Baseline) -> list[Change]:
    from analyzer.regression.modules import compared

    found = [
        change
        for key in sorted({*old.networks, *new.networks})
        for change in regression.compared(key, old.networks.get(key), new.networks.get(key))
    ]
    for key in sorted({*old.modules, *new.modules}):
        found += compared(key, old.modules.get(key), new.modules.get(key))
    return found
