"""Folds over ops: each ends where the type checker names a new op, and none keeps a list of ops of its own.

Oracle: the code's own text. What the checker itself says of a planted op stands in CONTRIBUTING ("Add an op").
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.graph.ops import OPS

PACKAGE = Path(__file__).resolve().parent.parent / "analyzer"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "graph" / "ops.py")
LEAVES = {op.__name__ for op in OPS}
GROUPS = {base.__name__ for op in OPS for base in op.__mro__[1:-1]}

CHECKED = ("assert_never", "_no_weights")
"""Calls at the end of a fold whose parameter's type makes a new op an error."""

ON_PURPOSE = {
    "_op_key": "what is alike but for its input channels: any other op must be equal in all",
    "_slice_op": "the ops that a path of an aggregated block may hold; every other refuses to be shared out",
    "output": "a chain of norm, ReLU and convolution, which its finder guarantees",
    "plain_expression": "what needs no module of its own in code: anything else has one",
}
"""Folds that name a few ops and pass over all others, with the reason."""


def _ops_of(tree: ast.Module) -> set[str]:
    """Names that the module takes from the ops' floor; all of them where it takes the module `ops` itself."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = {
        alias.asname or alias.name
        for node in imports
        if (node.module or "").rpartition(".")[2] == "ops"
        for alias in node.names
    }
    takes_module = any(alias.name == "ops" for node in imports for alias in node.names)
    return named | (LEAVES | GROUPS if takes_module else set())


def _class_name(node: ast.AST | None) -> str | None:
    """`Conv2d` of the expressions Conv2d and ops.Conv2d, None of others."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ops":
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _classes(pattern: ast.AST) -> set[str]:
    names = (_class_name(node.cls) for node in ast.walk(pattern) if isinstance(node, ast.MatchClass))
    return {name for name in names if name is not None}


def _is_checked(match: ast.Match) -> bool:
    last = match.cases[-1]
    calls = [node.func for each in last.body for node in ast.walk(each) if isinstance(node, ast.Call)]
    return any(isinstance(call, ast.Name) and call.id in CHECKED for call in calls)


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def open_folds(source: str) -> list[str]:
    """Functions that match ops and end in no check."""
    tree = ast.parse(source)
    ops = _ops_of(tree) & (LEAVES | GROUPS)
    return [
        function.name
        for function in _functions(tree)
        for match in ast.walk(function)
        if isinstance(match, ast.Match) and any(_classes(case.pattern) & ops for case in match.cases)
        if not _is_checked(match)
    ]


def lists_of_ops(source: str) -> list[str]:
    """Tuples, lists, sets and dicts that hold two or more ops' classes."""
    tree = ast.parse(source)
    ops = _ops_of(tree) & LEAVES
    found = []
    for node in ast.walk(tree):
        items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
        if sum(_class_name(item) in ops for item in items) > 1:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_fold_over_ops_ends_in_a_check_and_no_list_of_ops_is_kept_by_hand(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert [name for name in open_folds(source) if name not in ON_PURPOSE] == []
    assert lists_of_ops(source) == []


@pytest.mark.slow
def test_every_exception_is_one() -> None:
    assert {name for path in SOURCES for name in open_folds(path.read_text(encoding="utf-8"))} == set(ON_PURPOSE)


IMPORTED = "from analyzer.graph.ops import Conv2d, Linear, Norm, Op\n"
PLANTED = {
    "a fold with a default": "def f(op: Op) -> int:\n    match op:\n        case Norm():\n            return 1\n"
    "        case _:\n            return 0\n",
    "a fold without an end": "def f(op: Op) -> None:\n    match op:\n        case Conv2d(groups=1) | Linear():\n"
    "            print(op)\n",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_open_fold_is_seen(fault: str) -> None:
    assert open_folds(IMPORTED + PLANTED[fault]) == ["f"]


@pytest.mark.parametrize("kept", ["(Conv2d, Linear)", "[Linear, Conv2d]", "{Conv2d: 1, Linear: 2}", "{Conv2d, Linear}"])
def test_a_planted_list_of_ops_is_seen(kept: str) -> None:
    assert lists_of_ops(f"{IMPORTED}KEPT = {kept}\n") == [f"line 2: {kept}"]
