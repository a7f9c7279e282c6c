"""The structure that the code keeps: floors, light imports, short functions, described verbs.

Oracle: the code's own text, and what a fresh process has imported.
"""

import ast
import fnmatch
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import analyzer
from analyzer.cli import VERBS, verbs

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "analyzer"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LISTED = [verb for group in VERBS.values() for verb in group]
HEAVY = {"torch", "torchvision", "fvcore", "pandas", "numpy", "streamlit", "altair"}

CYCLES = """
import graphlib, grimp
graph = grimp.build_graph("analyzer", cache_dir=None)
imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
assert len(imports) > 200
graphlib.TopologicalSorter(imports).prepare()
"""
CONTRACTS = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-logo', '--no-cache'])"
PROBE = """
import json, os, sys
with open(os.devnull, "w") as sys.stdout:
    {act}
print(json.dumps({{"status": status, "modules": sorted(sys.modules)}}), file=sys.__stdout__)
"""
BLOCK_TORCH = "sys.modules.update(torch=None, torchvision=None, fvcore=None)"


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def probe(act: str) -> tuple[int, set[str], str]:
    """(status, modules imported, stderr) of a fresh process that runs `act`, which sets `status`."""
    run = python(PROBE.format(act=act), ROOT)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    return told["status"], set(told["modules"]), run.stderr


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    return python(CONTRACTS, folder)


def functions() -> Iterator[tuple[str, int]]:
    """(where, number of lines) of every function, its signature counted and its docstring not."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                text = node.body[0] if ast.get_docstring(node) is not None else None
                described = (text.end_lineno or text.lineno) - text.lineno + 1 if text else 0
                yield where, (node.end_lineno or node.lineno) - node.lineno + 1 - described


def test_import_contracts_hold() -> None:
    run = contracts(ROOT)
    assert run.returncode == 0, run.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("cost/walk.py", "from analyzer.render import notation", "analyzer.cost.walk -> analyzer.render"),
        ("text/units.py", "import torch.nn", "analyzer.text.units -> torch"),
        ("families/resnet.py", "from analyzer import analyze", "analyzer.families.resnet -> analyzer "),
        ("newcomer.py", "SIZE = 1", "analyzer.newcomer"),
    ],
    ids=["upward", "torch outside live", "upward through the package", "module without a floor"],
)
def test_import_contracts_catch_a_planted_import(tmp_path: Path, file: str, line: str, named: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "analyzer")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "analyzer" / file).open("a", encoding="utf-8") as source:
        source.write(f'"""Planted."""\n\n{line}\n')
    run = contracts(tmp_path)
    assert run.returncode == 1
    assert named in run.stdout


def test_no_modules_import_each_other_in_a_circle_even_inside_functions() -> None:
    run = python(CYCLES, ROOT)
    assert run.returncode == 0, run.stderr


def test_a_planted_circle_of_an_import_inside_a_function_is_found(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "analyzer")
    with (tmp_path / "analyzer" / "cost" / "walk.py").open("a", encoding="utf-8") as source:
        source.write(
            "\n\ndef planted() -> None:\n    from analyzer.cost.analysis import analyze\n\n    analyze('resnet18')\n"
        )
    run = python(CYCLES, tmp_path)
    assert run.returncode == 1
    assert "CycleError" in run.stderr
    assert "analyzer.cost.walk" in run.stderr


@pytest.mark.slow
def test_importing_every_module_outside_live_leaves_torch_out() -> None:
    paths = [path.relative_to(ROOT).with_suffix("") for path in SOURCES if PACKAGE / "live" not in path.parents]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]
    act = f"from importlib import import_module; status = len([import_module(name) for name in {names!r}])"
    status, modules, _ = probe(act)
    assert status == len(names)
    assert not {"torch", "torchvision", "fvcore"} & modules


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["report", "resnet50", "--format", "json", "--output", "-"],
        ["report", "resnet50", "--output", "-"],
        ["explain", "resnet18", "layer2.0"],
        ["explain", "densenet121", "--format", "markdown"],
        ["report", "--check"],
        ["diagram", "resnet18", "--format", "dot", "--output", "-"],
        ["diagram", "resnet18", "--format", "svg", "--output", "-"],
        ["check"],
        ["compare", "resnet18", "resnet34"],
        ["compare", "resnet18", "densenet121", "--format", "html"],
        ["export", "resnet18", "--output", "-"],
    ],
    ids=" ".join,
)
def test_a_verb_without_torch_imports_nothing_heavy(arguments: list[str]) -> None:
    status, modules, talk = probe(f"from analyzer.cli import main; status = main({arguments!r})")
    assert status == 0, talk
    assert not HEAVY & modules


def test_import_analyzer_and_analyze_import_nothing_heavy() -> None:
    params, modules, _ = probe("import analyzer; status = analyzer.analyze('resnet18').params")
    assert params == 11_689_512
    assert not HEAVY & modules


@pytest.mark.parametrize("verb", ["verify", "equivalence", "latency"])
def test_a_torch_verb_without_torch_says_what_to_install(verb: str) -> None:
    status, _, talk = probe(
        f"{BLOCK_TORCH}; from analyzer.cli import main; status = main([{verb!r}, 'resnext50_32x4d'])"
    )
    assert status == 2
    assert len(talk.splitlines()) == 1
    assert "install resnet-analyzer[live]" in talk


def test_no_folder_hides_a_public_name() -> None:
    """Importing `analyzer.explain.…` would put a module in the place of the function `analyzer.explain`."""
    assert not {path.stem for path in PACKAGE.iterdir()} & set(analyzer.__all__)


def test_no_folder_is_full() -> None:
    counts = Counter(path.parent for path in SOURCES)
    assert not {folder: count for folder, count in counts.items() if count > 20}


def test_functions_are_short() -> None:
    assert not {where: length for where, length in functions() if length > 40}


def test_files_are_short() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {path: length for path, length in lengths.items() if length > 600}


def test_everything_that_is_not_code_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = project["tool"]["setuptools"]["package-data"]["analyzer"]
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()]
    data = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert [name for name in data if not any(fnmatch.fnmatch(name, glob) for glob in globs)] == []


def test_every_verb_is_in_the_help_once() -> None:
    shown = [line.split()[0] for line in verbs.get_help(click.Context(verbs)).splitlines() if line.startswith("  ")]
    assert [shown.count(verb) for verb in LISTED] == [1] * len(LISTED)


@pytest.mark.parametrize("verb", LISTED)
def test_every_verb_and_option_has_help_and_stands_in_the_readme(verb: str) -> None:
    command = verbs.get_command(click.Context(verbs), verb)
    assert command is not None
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"analyzer {verb}\b", readme), f"README.md does not show `analyzer {verb}`"


def test_the_readme_has_its_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("python3 -m venv")] == [
        'python3 -m venv .venv && .venv/bin/pip install -e ".[page]" && .venv/bin/python -m analyzer report resnet50',
        'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest',
    ]


@pytest.mark.parametrize("program", ["speed", "scale", "sweep"])
def test_the_readmes_speed_tables_are_what_the_records_say(program: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
