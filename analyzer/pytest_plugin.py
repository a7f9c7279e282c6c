"""A pytest plugin: `architecture.assert_matches_baseline("resnet50")` fails a test where a figure has moved.

Installed with the package (entry point `pytest11`). torch is imported only for a test that gives a torch module.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from analyzer.families.network import Size
    from analyzer.regression import Baseline, Facts, Outcome

_DEFAULT = "reports/baseline.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--architecture-baseline PATH` and `--architecture-update`; ini: `architecture_baseline`."""
    group = parser.getgroup("architecture", "network architectures (resnet-analyzer)")
    group.addoption("--architecture-baseline", metavar="PATH", help=f"The baseline file; by default {_DEFAULT}.")
    group.addoption(
        "--architecture-update", action="store_true", help="Write what the networks under test are now, and pass."
    )
    parser.addini("architecture_baseline", "The baseline file, from the root folder.", default=_DEFAULT)


@pytest.fixture(scope="session")
def architecture(pytestconfig: pytest.Config) -> "Architecture":
    """Compare networks with the committed baseline: `architecture.assert_matches_baseline("resnet50")`."""
    given = pytestconfig.getoption("--architecture-baseline")
    named = Path(given) if given else pytestconfig.rootpath / pytestconfig.getini("architecture_baseline")
    return Architecture(named, update=bool(pytestconfig.getoption("--architecture-update")))


class Architecture:
    """A baseline file that tests compare networks with; with `update` it is written instead."""

    def __init__(self, baseline: Path, *, update: bool = False) -> None:
        self.baseline = baseline
        self.update = update

    def assert_matches_baseline(
        self,
        network: Any,
        *,
        input_size: "Size | None" = None,
        name: str | None = None,
        tolerance: Mapping[str, str] | None = None,
        budgets: Mapping[str, str | int] | None = None,
    ) -> None:
        """Fail unless a network has the baseline's figures, within tolerances ({"macs": "1%"}) and budgets.

        `network` is a variant expression, a Spec, a TOML file's path, or a torch.nn.Module, which is kept under `name`
        (its class's, if not given) and run once on zeros of `input_size` (224). Budgets are for described networks.
        """
        __tracebackhide__ = True
        told = self._problem(network, input_size, name, tolerance or {}, budgets or {})
        if told:
            pytest.fail(told, pytrace=False)

    def _problem(
        self,
        network: Any,
        size: "Size | None",
        name: str | None,
        tolerance: Mapping[str, str],
        budgets: Mapping[str, str | int],
    ) -> str:
        """What is wrong, as text; empty where the network is as it was."""
        from analyzer.regression import Outcome, Verdict, analysis_of, limits
        from analyzer.render.changes import as_text

        module = _is_module(network)
        key, facts = _module_facts(network, size, name) if module else _network_facts(network, size)
        if self.update:
            self._write(key, facts, module=module)
        outcome = self._outcome(key, facts, module=module)
        if outcome is None:
            return f"{key} is not in {self.baseline}; `pytest --architecture-update` puts it there."
        allowed = limits.tolerances(f"{quantity}={text}" for quantity, text in tolerance.items())
        kept = limits.beyond(outcome.changes, allowed)
        asked = limits.budgets(f"{quantity}={text}" for quantity, text in budgets.items())
        excess = tuple(limits.over(key, analysis_of(key), asked)) if asked and not module else ()
        verdict = Verdict(Outcome(1, kept, outcome.moved if kept else ()), excess, len(outcome.changes) - len(kept))
        return "" if verdict.passed else as_text(verdict, str(self.baseline))

    def _outcome(self, key: str, facts: "Facts", *, module: bool) -> "Outcome | None":
        from analyzer import regression
        from analyzer.regression.modules import check_module

        baseline = self._read()
        if key not in (baseline.modules if module else baseline.networks):
            return None
        if module:
            return check_module(key, baseline.modules[key], facts)
        return regression.check({key: baseline.networks[key]})

    def _read(self) -> "Baseline":
        from analyzer import regression

        return regression.load(self.baseline) if self.baseline.exists() else regression.Baseline({}, {})

    def _write(self, key: str, facts: "Facts", *, module: bool) -> None:
        from analyzer import regression
        from analyzer.regression.lock import alone

        with alone(self.baseline):
            baseline = self._read()
            (baseline.modules if module else baseline.networks)[key] = facts
            regression.write(self.baseline, baseline.networks, baseline.modules)


def _is_module(network: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.nn.Module)


def _network_facts(network: Any, size: "Size | None") -> "tuple[str, Facts]":
    from analyzer import regression
    from analyzer.cost.analysis import analyze
    from analyzer.families.toml_file import network_at

    analysis = analyze(network_at(network) if isinstance(network, str) else network, size)
    return regression.key_of(analysis), regression.facts(analysis)


def _module_facts(net: Any, size: "Size | None", name: str | None) -> "tuple[str, Facts]":
    from analyzer.live.module_facts import input_shape, module_facts

    shape = input_shape(net, 224 if size is None else size)
    sides = str(shape[1]) if shape[1] == shape[2] else f"{shape[1]}x{shape[2]}"
    return f"{name or type(net).__name__}@{sides}", module_facts(net, shape)
