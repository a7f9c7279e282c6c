"""Expressions of a design space: a small, safe arithmetic over arrays, parsed by Python's grammar and never executed.

Whole numbers stay whole numbers (64 bit); what would leave them is refused. Names are fields, variables and figures.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import InvalidInput, shortened
from analyzer.families.spec import Flag, Rule
from analyzer.sweep.space.expression_functions import FUNCTIONS, LISTS, StageList, checked_operation

MAX_LENGTH = 1000
MAX_NODES = 300
LATENCY = "latency"
LATENCY_COLUMN = "latency_ms:"

Value = Any
"""An array over candidates, a number, a text or truth value, or a StageList (one list for each candidate)."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its text in one spelling, the names it reads, what it calls, the latencies it asks for."""

    text: str
    tree: ast.expr = field(compare=False, repr=False)
    names: tuple[str, ...]
    calls: tuple[str, ...]
    latencies: tuple[str, ...]

    def evaluate(self, env: Mapping[str, Value]) -> Value:
        """The value for every candidate of `env`; InvalidInput where the arithmetic has none."""
        try:
            with np.errstate(divide="raise", invalid="raise", over="raise"):
                return _Evaluator(self.text, env).read(self.tree)
        except (FloatingPointError, ZeroDivisionError, OverflowError) as error:
            raise InvalidInput(f"expression {shortened(self.text)!r}: cannot be worked out ({error}).") from None
        except (TypeError, ValueError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(f"expression {shortened(self.text)!r}: mixes kinds of values ({error}).") from None


def parse(text: str) -> Expression:
    """An expression; InvalidInput with one sentence where the text is none or uses more than the grammar has."""
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"expression {shortened(text)!r}: is over {MAX_LENGTH} characters.")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidInput(
            f"expression {shortened(text)!r}: cannot be read; write it as in params <= 25.6e6."
        ) from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise InvalidInput(f"expression {shortened(text)!r}: is over {MAX_NODES} terms.")
    for node in nodes:
        _check(text, node)
    qualifiers = {
        id(node.func if isinstance(node, ast.Call) else node.value) for node in nodes if isinstance(node, _HOLDERS)
    }
    names = [_name_of(node) for node in nodes if id(node) not in qualifiers]
    latencies = [_latency_name(node) for node in nodes if isinstance(node, ast.Subscript) and _is_latency(node)]
    read_names = tuple(dict.fromkeys(name for name in names if name not in ("", LATENCY)))
    calls = [node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return Expression(ast.unparse(tree), tree, read_names, tuple(calls), tuple(dict.fromkeys(latencies)))


_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_HOLDERS = (ast.Call, ast.Subscript)
_ALLOWED = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant, ast.Subscript),
    *(
        ast.List,
        ast.Tuple,
        ast.Load,
        ast.And,
        ast.Or,
        ast.Not,
        ast.USub,
        ast.UAdd,
        ast.Pow,
        *_ARITHMETIC,
        *_COMPARISONS,
    ),
)


def _check(text: str, node: ast.AST) -> None:
    subject = f"expression {shortened(text)!r}:"
    if not isinstance(node, _ALLOWED):
        raise InvalidInput(
            f"{subject} {type(node).__name__} is not part of the grammar (arithmetic, comparisons, lists)."
        )
    if isinstance(node, ast.Constant) and not isinstance(node.value, bool | int | float | str):
        raise InvalidInput(f"{subject} {shortened(node.value)} is no number or text.")
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and abs(node.value) > 2**62:
        raise InvalidInput(f"{subject} {shortened(node.value)} is a larger number than is worked with.")
    if isinstance(node, ast.Call):
        _check_call(subject, node)
    if isinstance(node, ast.Subscript) and not (_is_latency(node) or _is_element(node)):
        raise InvalidInput(f'{subject} square brackets take a stage, as in widths[0], or latency["DEVICE", BATCH].')


def _check_call(subject: str, node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else "?"
    functions = {**FUNCTIONS, **LISTS}
    if name not in functions:
        raise InvalidInput(f"{subject} function {shortened(name)!r} is unknown; there are {', '.join(functions)}.")
    low, high, _ = functions[name]
    if node.keywords or not low <= len(node.args) <= high:
        num_args = str(low) if low == high else f"{low} to {high}"
        raise InvalidInput(f"{subject} {name} takes {num_args} values, separated by commas.")


def _is_latency(node: ast.Subscript) -> bool:
    if not (isinstance(node.value, ast.Name) and node.value.id == LATENCY and isinstance(node.slice, ast.Tuple)):
        return False
    kinds = [type(item.value) if isinstance(item, ast.Constant) else None for item in node.slice.elts]
    return kinds[:2] == [str, int] and all(kind is str for kind in kinds[2:])


def _is_element(node: ast.Subscript) -> bool:
    is_integer = isinstance(node.slice, ast.Constant) and type(node.slice.value) is int
    return isinstance(node.value, ast.Name) and node.value.id != LATENCY and is_integer


def _latency_name(node: ast.Subscript) -> str:
    """The column: latency_ms:L4@8, or latency_ms:L4@8/amp/cuda_graph; float32 is left out."""
    device, batch, *options = [item.value for item in node.slice.elts]  # type: ignore[attr-defined]  # checked before
    return f"{LATENCY_COLUMN}{device}@{batch}" + "".join(f"/{option}" for option in options if option != "float32")


def _name_of(node: ast.AST) -> str:
    match node:
        case ast.Name():
            return node.id
        case ast.Subscript(value=ast.Name() as name, slice=ast.Constant(value=int() as stage)) if name.id != LATENCY:
            return f"{name.id}[{stage}]"
        case _:
            return ""


def latency_parts(column: str) -> tuple[str, int, tuple[str, ...]]:
    """(device, batch size, run options) of a latency's column; InvalidInput where it is none."""
    match = re.fullmatch(
        rf"{LATENCY_COLUMN}(?P<device>[^@]{{1,60}})@(?P<batch>[0-9]{{1,9}})(?P<words>(?:/\w{{1,20}})*)", column
    )
    if match is None:
        raise InvalidInput(
            f"column {shortened(column)!r}: must be {LATENCY_COLUMN}DEVICE@BATCH, or with /PRECISION or /MODE after it."
        )
    return match["device"], int(match["batch"]), tuple(match["words"].split("/")[1:])


class _Evaluator:
    """Evaluates a tree over one set of values."""

    def __init__(self, text: str, env: Mapping[str, Value]) -> None:
        self._text, self._env = text, env

    def read(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._env[node.id]
            case ast.Subscript():
                return self._env[_latency_name(node) if _is_latency(node) else _name_of(node)]
            case ast.BinOp():
                return self._binary(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return self._logical(isinstance(node.op, ast.And), [self.read(part) for part in node.values])
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp():
                return np.where(self.read(node.test), self.read(node.body), self.read(node.orelse))
            case ast.Call(func=ast.Name() as function):
                values = [self.read(part) for part in node.args]
                return {**FUNCTIONS, **LISTS}[function.id][2](*values)
            case ast.List() | ast.Tuple():
                return StageList(tuple(self.read(part) for part in node.elts), len(node.elts))
            case _:
                raise InvalidInput(f"expression {shortened(self._text)!r}: cannot be worked out.")

    def _binary(self, node: ast.BinOp) -> Value:
        left, right = self.read(node.left), self.read(node.right)
        if isinstance(node.op, ast.Pow):
            return checked_operation(np.power, *_power(self._text, left, right))
        operation = _ARITHMETIC[type(node.op)]
        return checked_operation(operation, left, right)

    def _unary(self, node: ast.UnaryOp) -> Value:
        value = self.read(node.operand)
        if isinstance(node.op, ast.Not):
            return np.logical_not(value)
        return value if isinstance(node.op, ast.UAdd) else np.negative(value)

    def _logical(self, all_true: bool, values: Sequence[Value]) -> Value:
        result = values[0]
        for value in values[1:]:
            result = np.logical_and(result, value) if all_true else np.logical_or(result, value)
        return result

    def _compare(self, node: ast.Compare) -> Value:
        values = [self.read(operand) for operand in (node.left, *node.comparators)]
        pairs = zip(node.ops, values, values[1:], strict=False)
        return self._logical(True, [_COMPARISONS[type(operator)](left, right) for operator, left, right in pairs])


def _power(text: str, base: Value, exponent: Value) -> tuple[Value, Value]:
    """Whole powers where base and exponent are whole and the exponent is not negative, otherwise decimal ones."""
    is_whole = np.asarray(exponent).dtype.kind in "iu" and np.min(exponent) >= 0
    if np.max(np.abs(exponent)) > 64:
        raise InvalidInput(f"expression {shortened(text)!r}: exponents go up to 64.")
    return (base, exponent) if is_whole else (np.asarray(base, dtype=float), exponent)


CONSTRAINED = frozenset({"params", "macs", "flops", "activations", "depth", "memory_bytes"})
"""What constraints may name beside fields and variables."""


def require_condition(expression: Expression, rules: Mapping[str, Rule]) -> None:
    """InvalidInput where an expression is neither true nor false, as `params` alone."""
    if not _is_condition(expression.tree, rules):
        raise _no_condition(expression)


def holds(expression: Expression, env: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The candidates for which a constraint is true; InvalidInput where it is no condition."""
    mask = np.asarray(expression.evaluate(env))
    if mask.dtype.kind != "b":
        raise _no_condition(expression)
    return mask


def _no_condition(expression: Expression) -> InvalidInput:
    text = shortened(expression.text)
    return InvalidInput(f"space: constraint {text}: is no condition; write one such as params <= 25.6e6.")


def _is_condition(node: ast.expr, rules: Mapping[str, Rule]) -> bool:
    match node:
        case ast.Compare():
            return True
        case ast.BoolOp(values=values):
            return all(_is_condition(operand, rules) for operand in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_condition(operand, rules)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_condition(body, rules) and _is_condition(orelse, rules)
        case ast.Constant(value=value):
            return isinstance(value, bool)
        case ast.Name(id=name):
            return isinstance(rules[name], Flag) if name in rules else name not in CONSTRAINED
        case _:
            return False
