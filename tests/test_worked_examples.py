"""The worked examples with which the hard modules open are true."""

import doctest
from types import ModuleType

import pytest

from analyzer.cost import tensor_lifetimes, walk
from analyzer.live.equivalence import rounding
from analyzer.render.diagram import grouping as diagram_fold
from analyzer.sweep.engine import engine
from analyzer.sweep.tracing import general_figures as traced
from analyzer.sweep.tracing import polynomial, symbol

MODULES = [walk, tensor_lifetimes, engine, symbol, polynomial, traced, diagram_fold, rounding]


@pytest.mark.parametrize("module", MODULES, ids=[module.__name__.rpartition(".")[2] for module in MODULES])
def test_the_example_at_the_head_of_a_module_runs(module: ModuleType) -> None:
    assert ">>>" in (module.__doc__ or "")
    failed, tried = doctest.testmod(module)
    assert tried >= 4
    assert not failed
