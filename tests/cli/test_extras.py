"""What the base install does, and what the rest says where its extra is missing.

Oracle: fresh processes in which nothing can be imported that an extra brings; `.ci/run` does the same from the wheel.
"""

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from analyzer.errors import Unavailable
from analyzer.extras import EXTRAS, extra_imports, require

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted({package for packages in EXTRAS.values() for package in packages} | {"scipy", "duckdb"})
BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({PACKAGES!r}))"
OPTIONAL = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A fresh process in which every extra is missing."""
    return subprocess.run(
        [sys.executable, "-c", f"{BLOCKED}; {code}"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def verb(*lines: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Command lines one after the other; the status of the last."""
    calls = "; ".join(f"status = main({line.split()!r})" for line in lines)
    return run(f"from analyzer.cli import main; {calls}; sys.exit(status)", folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lines",
    [
        ["--help"],
        ["list"],
        ["report resnet18"],
        ["report densenet121 --format html --output -"],
        ["report resnet18 --format latex"],
        ["report resnet18 --format csv"],
        ["report resnet18 --format json"],
        ["report resnet50 --gpu rtx4090 --output -"],
        ["report --claims"],
        ["check --add resnet18", "check", "check --max latency:rtx4090@256:amp=1s resnet18"],
        ["diagram resnet18 --format svg", "diagram resnet18 --format html", "diagram resnet18 --format pdf"],
        ["compare resnet18 densenet121 --format html", "compare resnet18 resnet34 --format svg --output a.svg"],
        ["explain resnet50 layer2.0.conv2"],
        ["reconcile resnet50 25636712"],
        ["export resnext50_32x4d"],
        ["latency resnet50 --gpu rtx4090", "latency --list-devices"],
    ],
    ids="; ".join,
)
def test_a_verb_of_the_base_install_needs_no_extra(lines: list[str], tmp_path: Path) -> None:
    done = verb(*lines, folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("page", "page"),
        ("sweep resnext", "sweep"),
        ("sweep --nearest resnet50 macs=-20%", "sweep"),
        ("latency resnet50 --gpu rtx4090 --roofline roof.json", "picture"),
        ("verify resnet18", "live"),
        ("equivalence resnext50_32x4d", "live"),
        ("latency resnet18 --device cpu", "live"),
        ("export resnet18 --format onnx", "onnx"),
    ],
)
def test_a_verb_whose_extra_is_missing_says_what_to_install(line: str, extra: str, tmp_path: Path) -> None:
    done = verb(line, folder=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"This needs \w+, which is not installed; install resnet-analyzer\[{extra}\] .*\n", done.stderr
    )
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_the_python_interface_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import analyzer\n"
        "a = analyzer.analyze('resnet50')\n"
        "assert analyzer.predict_latency('resnet50', device='RTX 4090', batch_size=256).ms > 0\n"
        "assert analyzer.diagram('resnet18').svg and analyzer.compare('resnet18', 'resnet34') and a._repr_html_()\n"
        "for call in (a.to_frame, lambda: analyzer.build('resnet18')):\n"
        "    try:\n"
        "        call()\n"
        "    except analyzer.Unavailable as error:\n"
        "        print(error)\n"
    )
    done = run(f"exec({code!r})", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.findall(r"This needs (\w+),.*?\[(\w+)\]", done.stdout) == [("pandas", "sweep"), ("torch", "live")]


def wanted(extra: str) -> set[str]:
    """The distributions that an extra of pyproject.toml names, those of the extras in it included."""
    names: set[str] = set()
    for line in OPTIONAL[extra]:
        name, _, inner = re.sub(r"[<>=!;].*", "", line).strip().partition("[")
        names |= set().union(*map(wanted, inner.rstrip("]").split(","))) if name == "resnet-analyzer" else {name}
    return names


distributions = cache(packages_distributions)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_is_said_to_come_with_it(extra: str) -> None:
    """Oracle: pyproject.toml, and the installed distributions' own word for what is imported from them."""
    brought = {distributions()[package][0].lower().replace("_", "-") for package in EXTRAS[extra]}
    assert brought == wanted(extra)


def test_a_package_that_no_extra_brings_stays_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="numpi"), extra_imports("live"):
        raise ModuleNotFoundError("No module named 'numpi'", name="numpi")
    with pytest.raises(Unavailable, match="needs torchvision"), extra_imports("live"):
        raise ModuleNotFoundError("No module named 'torchvision.models'", name="torchvision.models")


def test_what_is_there_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    require("page", "streamlit")
    monkeypatch.setitem(EXTRAS, "page", ("no_such_package",))
    with pytest.raises(Unavailable, match=r"needs no_such_package, .*resnet-analyzer\[page\]"):
        require("page", "no_such_package")
