"""What of a space's expressions is a condition."""

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.families.fields import Flag, Rule
from analyzer.sweep.grammar import Expression

FIGURES = frozenset({"params", "macs", "flops", "activations", "depth", "memory_bytes"})
"""What constraints may name beside fields and variables."""


def require_condition(expression: Expression, rules: Mapping[str, Rule]) -> None:
    """InvalidInput where an expression is neither true nor false, as `params` alone."""
    if not _is_condition(expression.tree, rules):
        raise _no_condition(expression)


def holds(expression: Expression, env: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Where a constraint is true; InvalidInput where a variable of other kind makes it none."""
    found = np.asarray(expression.evaluate(env))
    if found.dtype.kind != "b":
        raise _no_condition(expression)
    return found


def _no_condition(expression: Expression) -> InvalidInput:
    text = shortened(expression.text)
    return InvalidInput(f"space: constraint {text}: is no condition; write one such as params <= 25.6e6.")


def _is_condition(node: ast.expr, rules: Mapping[str, Rule]) -> bool:
    match node:
        case ast.Compare():
            return True
        case ast.BoolOp(values=values):
            return all(_is_condition(each, rules) for each in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_condition(operand, rules)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_condition(body, rules) and _is_condition(orelse, rules)
        case ast.Constant(value=value):
            return isinstance(value, bool)
        case ast.Name(id=name):
            return isinstance(rules[name], Flag) if name in rules else name not in FIGURES
        case _:
            return False
