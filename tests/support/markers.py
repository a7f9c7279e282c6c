"""Which tests are `live` or `browser`: read from what a file imports, so that no list is needed.

A file that imports torch (or what does) is live as a whole, and with `-m "not live"` not even imported: importing torch
and what counts with it takes as long as hundreds of other tests. A function that imports it for itself is live alone.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIVE = frozenset({"torch", "torchvision", "timm", "fvcore", "keras", "onnx", "onnxruntime", "thop", "ptflops"})
BROWSER = frozenset({"playwright", "axe_playwright_python"})
PACKAGES = {"live": LIVE, "browser": BROWSER}
"""Marker → the packages whose import earns it."""


def file_markers(path: Path) -> frozenset[str]:
    """The markers of every test in a file, from the imports that are made when it is imported itself."""
    return frozenset(marker for marker in PACKAGES if _at_import(path, marker))


def test_markers(path: Path, function: str) -> frozenset[str]:
    """The markers of one test: its file's, and those of the imports inside it."""
    inside = _functions(path).get(function)
    names = set(_imported(inside)) if inside else set()
    return file_markers(path) | {marker for marker in PACKAGES if any(_earns(name, marker) for name in names)}


@cache
def _at_import(path: Path, marker: str) -> bool:
    module = _module(path)
    return any(_earns(name, marker) for statement in module.body for name in _imported_at_once(statement))


def _earns(name: str, marker: str) -> bool:
    """Whether importing a module imports one of the marker's packages."""
    top = name.partition(".")[0]
    if top == "analyzer":  # a contract keeps torch in this one folder, so that its modules need not be read
        return marker == "live" and name.startswith("analyzer.live.") and _file(name) is not None
    path = _file(name) if top in ("tests", "benchmarks", "tools") else None
    return top in PACKAGES[marker] or (path is not None and _at_import(path, marker))


def _file(name: str) -> Path | None:
    """The file of one of this project's own modules."""
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _functions(path: Path) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.walk(_module(path)) if isinstance(node, ast.FunctionDef)}


def _imported_at_once(statement: ast.stmt) -> Iterator[str]:
    """What a statement of a module imports, but for what its functions do later and what only types need."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return
        case _:
            yield from _imported(statement)


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules that are named in imports, those among the names of a package included."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
