"""A pytest plugin: `architecture.assert_matches_baseline("resnet50")` fails a test where a figure has moved.

Installed with the package (entry point `pytest11`). torch is imported only for a test that gives a torch module.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from analyzer.baseline.baseline import Baseline, Facts, Outcome
    from analyzer.cost.analysis import Analysis
    from analyzer.families.network import Size

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
    option = pytestconfig.getoption("--architecture-baseline")
    path = Path(option) if option else pytestconfig.rootpath / pytestconfig.getini("architecture_baseline")
    return Architecture(path, update=bool(pytestconfig.getoption("--architecture-update")))


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

        `network` is a variant expression, a Spec, a TOML file's path, or a torch.nn.Module, which is run once on zeros
        of `input_size` (224) and compared under `name` (by default its class's). Budgets are for described networks.
        """
        __tracebackhide__ = True
        problem = self._problem(network, input_size, name, tolerance or {}, budgets or {})
        if problem:
            pytest.fail(problem, pytrace=False)

    def _problem(
        self,
        network: Any,
        size: "Size | None",
        name: str | None,
        tolerance: Mapping[str, str],
        budgets: Mapping[str, str | int],
    ) -> str:
        """What is wrong, as text; empty where the network is as it was."""
        from analyzer.baseline import budgets as limits
        from analyzer.baseline.baseline import CheckResult, Outcome
        from analyzer.render.compare.baseline_changes import verdict_text

        subject = _module_subject(network, size, name) if _is_module(network) else _network_subject(network, size)
        if self.update:
            self._write(subject)
        outcome = subject.compared(self._read())
        if outcome is None:
            return f"{subject.key} is not in {self.baseline}; `pytest --architecture-update` puts it there."
        allowed = limits.tolerances(f"{quantity}={text}" for quantity, text in tolerance.items())
        maxima = limits.budgets(f"{quantity}={text}" for quantity, text in budgets.items())
        changes = limits.untolerated_changes(outcome.changes, allowed)
        excess = tuple(limits.exceeded_budgets(subject.key, subject.analysis, maxima)) if subject.analysis else ()
        verdict = CheckResult(
            Outcome(1, changes, outcome.moved if changes else ()), excess, len(outcome.changes) - len(changes)
        )
        return "" if verdict.passed else verdict_text(verdict, str(self.baseline))

    def _read(self) -> "Baseline":
        from analyzer.baseline import baseline as regression

        return regression.load_baseline(self.baseline) if self.baseline.exists() else regression.Baseline({}, {})

    def _write(self, subject: "_NetworkUnderTest") -> None:
        from analyzer.baseline import baseline as regression

        with regression.lock_folder(self.baseline):
            baseline = self._read()
            (baseline.networks if subject.analysis else baseline.modules)[subject.key] = subject.facts()
            regression.write_baseline(self.baseline, baseline.networks, baseline.modules)


@dataclass(frozen=True)
class _NetworkUnderTest:
    """A network under test: a described one has an analysis, a torch module the facts of one run."""

    key: str
    analysis: "Analysis | None" = None
    module_facts: "Facts | None" = None

    def facts(self) -> "Facts":
        """The facts that the baseline file has of it."""
        from analyzer.baseline import baseline as regression

        return regression.facts(self.analysis) if self.analysis else self.module_facts or {}

    def compared(self, baseline: "Baseline") -> "Outcome | None":
        """What moved; None where the baseline does not know it."""
        from analyzer.baseline import baseline as regression

        old = (baseline.networks if self.analysis else baseline.modules).get(self.key)
        if old is None:
            return None
        if self.analysis:
            return regression.check_network(self.key, old, self.analysis)
        return regression.check_module(self.key, old, self.facts())


def _is_module(network: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(network, torch.nn.Module)


def _network_subject(network: Any, size: "Size | None") -> _NetworkUnderTest:
    from analyzer.baseline import baseline as regression
    from analyzer.cost.analysis import analyze
    from analyzer.errors import InvalidInput
    from analyzer.families.toml_file import network_at

    analysis = analyze(network_at(network) if isinstance(network, str) else network, size)
    if analysis.network.spec is None:
        raise InvalidInput("assert_matches_baseline: a Graph has no expression to keep it under; give its Spec.")
    return _NetworkUnderTest(regression.key_of(analysis), analysis=analysis)


def _module_subject(net: Any, size: "Size | None", name: str | None) -> _NetworkUnderTest:
    from analyzer.live.network.module_facts import input_shape, module_facts

    shape = input_shape(net, 224 if size is None else size)
    sides = str(shape[1]) if shape[1] == shape[2] else f"{shape[1]}x{shape[2]}"
    return _NetworkUnderTest(f"{name or type(net).__name__}@{sides}", module_facts=module_facts(net, shape))
