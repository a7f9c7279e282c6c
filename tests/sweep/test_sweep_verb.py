"""The verb sweep: Pareto fronts, the solver, published pairs, and what it tells and refuses."""

import csv
import io
import json
import shlex
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import predict_latency
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.render.sweep.tables import column_title
from analyzer.sweep.engine.engine import evaluate
from analyzer.sweep.results.nearest import nearest, neighbourhood, targets_of
from analyzer.sweep.results.pareto import front, objectives_of
from analyzer.sweep.space.space import packaged_space

pytestmark = pytest.mark.slow

SCHEMA = json.loads(files("analyzer").joinpath("schemas", "sweep-1.json").read_text(encoding="utf-8"))
SMALL = "sweep --variant resnet50 --set cardinality=[1,2,4] --set 'base_width=8..32 step 8'"


def run(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str, str]:
    """(status, standard output, standard error) of a command line."""
    status = main(shlex.split(command))
    told = capsys.readouterr()
    return status, told.out, told.err


@settings(max_examples=50)
@given(
    st.integers(2, 4).flatmap(
        lambda count: st.tuples(
            st.lists(st.lists(st.integers(0, 6), min_size=count, max_size=count), max_size=60),
            st.lists(st.booleans(), min_size=count, max_size=count),
        )
    )
)
def test_the_front_is_every_point_that_no_other_beats(drawn: tuple[list[list[int]], list[bool]]) -> None:
    """Oracle: the definition, point by point."""
    points, more = drawn
    columns = {str(place): np.array([point[place] for point in points], dtype=np.int64) for place in range(len(more))}
    signed = [[-value if up else value for value, up in zip(point, more, strict=True)] for point in points]
    wanted = [
        not any(all(a <= b for a, b in zip(other, point, strict=True)) and other != point for other in signed)
        for point in signed
    ]
    assert front(columns, [(str(place), up) for place, up in enumerate(more)]).tolist() == wanted


@pytest.mark.parametrize("count", [2, 3, 4])
def test_large_fronts_agree_with_pairwise_comparison(count: int) -> None:
    """Oracle: all pairs compared at once, on enough points for several chunks."""
    points = np.random.default_rng(5).integers(0, 300, (3000, count))
    less = np.ones((3000, 3000), dtype=bool)
    same = np.ones((3000, 3000), dtype=bool)
    for column in points.T:
        less &= column[:, None] <= column
        same &= column[:, None] == column
    columns = {str(place): column for place, column in enumerate(points.T)}
    found = front(columns, [(str(place), False) for place in range(count)])
    assert np.array_equal(found, ~(less & ~same).any(axis=0))


@pytest.mark.parametrize("text", ["params", "params,params", "a,b,c,d,e", "params,"])
def test_objectives_are_two_to_four(text: str) -> None:
    with pytest.raises(InvalidInput, match="2 to 4"):
        objectives_of(text)


def test_a_front_has_only_columns_of_numbers() -> None:
    with pytest.raises(InvalidInput, match="no column of numbers"):
        front({"params": np.arange(3)}, [("params", False), ("latency", False)])


XIE = {1: 64, 2: 40, 4: 24, 8: 14, 32: 4}
"""Cardinality → width of the bottleneck, "roughly preserved complexity" (Xie et al. 2017, Table 2)."""


def test_resnexts_pairs_follow_from_constant_parameters() -> None:
    """Oracle: Xie et al. 2017, Table 2; and Table 3's for ResNet-101, whose pairs are the same."""
    for name in ("resnet50", "resnet101"):
        base = analyze(name)
        within = neighbourhood(base, {"cardinality": "[1, 2, 4, 8, 32]", "base_width": "1..64"})
        found = nearest(base, within, targets_of(["params=0%"], base), per="cardinality").found
        pairs = {near.group: within.spec(near.candidate).effective_fields()["base_width"] for near in found}
        assert pairs == XIE


def test_twice_the_complexity_gives_the_papers_wider_networks() -> None:
    """Oracle: Xie et al. 2017, Table 4: ResNeXt-101 2×64d and 64×4d at twice ResNet-101's FLOPs, and a ResNet 1×100d.

    The paper's widths are round: 100 of 98 to 102, 64 of 61 to 65.
    """
    base = analyze("resnet101")
    within = neighbourhood(base, {"cardinality": "[1, 2, 64]", "base_width": "1..128"})
    found = nearest(base, within, targets_of(["macs=+100%"], base), per="cardinality").found
    widths = {near.group: within.spec(near.candidate).effective_fields()["base_width"] for near in found}
    assert 98 <= widths[1] <= 102
    assert 61 <= widths[2] <= 65
    assert widths[64] == 4


ZAGORUYKO = {
    (40, 1): 0.6,
    (40, 2): 2.2,
    (40, 4): 8.9,
    (40, 8): 35.7,
    (28, 10): 36.5,
    (28, 12): 52.5,
    (22, 8): 17.2,
    (22, 10): 26.8,
    (16, 8): 11.0,
    (16, 10): 17.1,
}
"""(depth, widening factor) → millions of parameters (Zagoruyko and Komodakis 2016, Table 4)."""


def test_wide_resnets_have_the_papers_parameters() -> None:
    """Oracle: the paper's table, in which all are rounded to 0.1 M."""
    columns = evaluate(packaged_space("wide_resnet"), 0, 96)
    named = {
        (6 * n + 4, k): params
        for n, k, params in zip(columns["n"].tolist(), columns["k"].tolist(), columns["params"].tolist(), strict=True)
    }
    assert {key: round(named[key] / 1e6, 1) for key in ZAGORUYKO} == ZAGORUYKO


def test_densenets_parameters_are_the_named_variants() -> None:
    """Oracle: torchvision's networks, which are points of the space."""
    found = packaged_space("densenet")
    columns = evaluate(found, 0, found.size)
    names = {found.expression(index): row for row, index in enumerate(columns["index"].tolist())}
    published = {"densenet121": 7978856, "densenet169": 14149480, "densenet201": 20013928, "densenet161": 28681000}
    assert {name: columns["params"][names[name]] for name in published} == published


def test_the_nearest_network_is_the_nearest_of_all_candidates(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: every candidate by itself, the distance written out; and the same answer twice."""
    command = 'sweep --nearest resnet18 --set "depths[1]=1..4" --set "stem_width=32..96 step 16" macs=-20% params=11M'
    status, out, _ = run(capsys, f"{command} --format json")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    base = analyze("resnet18")
    offs = {}
    for depth in range(1, 5):
        for width in range(32, 97, 16):
            each = analyze(f"resnet18:depths=2-{depth}-2-2,stem_width={width}")
            off = abs(each.macs / (0.8 * base.macs) - 1), abs(each.params / 11e6 - 1)
            offs[each.variant] = max(off)
    best = document["nearest"][0]
    assert status == 0
    assert offs[best["network"]] == min(offs.values()) == pytest.approx(best["distance"])
    assert run(capsys, f"{command} --format json")[1] == out


def test_the_solver_takes_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: the nearest of the candidates by the predictor, each by itself."""
    column = "latency_ms:L4@8"
    _, out, _ = run(capsys, f"sweep --nearest resnet50 --set 'depths[2]=1..9' {column}=-20% --format json")
    near = json.loads(out)["nearest"][0]
    times = {
        depth: predict_latency(f"resnet50:depths=3-4-{depth}-3", device="L4", batch_size=8).ms for depth in range(1, 10)
    }
    best = min(times, key=lambda depth: abs(times[depth] / (0.8 * times[6]) - 1))
    assert near["network"] == f"resnet50:depths=3-4-{best}-3"
    assert near["figures"][column] == pytest.approx(times[best])


def test_equally_near_networks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: a pool before the projection has no parameters, so both networks have as many."""
    command = "sweep --nearest resnet18 --set avg_down=[true,false] params=0%"
    _, out, _ = run(capsys, command)
    assert "Ties: 1 more just as near; the first of the space is shown." in out


def test_without_fields_the_solver_searches_depths_and_widths(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "sweep --nearest resnet50 macs=-20% params=0% --format json")
    near = json.loads(out)["nearest"][0]
    found = analyze(near["network"])
    assert status == 0
    assert near["distance"] < 0.01
    assert abs(found.macs / (0.8 * 4089184256) - 1) < 0.01
    assert abs(found.params / 25557032 - 1) < 0.01


def test_every_format_tells_the_same_front(capsys: pytest.CaptureFixture[str]) -> None:
    command = f"{SMALL} --where 'params <= 12e6' --pareto max:params,macs,memory_bytes"
    document = json.loads(run(capsys, f"{command} --format json")[1])
    jsonschema.validate(document, SCHEMA)
    rows = list(csv.DictReader(io.StringIO(run(capsys, f"{command} --format csv")[1])))
    assert [row["network"] for row in rows] == [each["network"] for each in document["front"]]
    assert [int(row["memory_bytes"]) for row in rows] == [each["memory_bytes"] for each in document["front"]]
    for form in ("table", "markdown"):
        text = run(capsys, f"{command} --format {form}")[1]
        assert all(each["network"] in text for each in document["front"])
    assert document["networks"] == sum(
        analyze(f"resnet50:cardinality={c},base_width={w}").params <= 12e6 for c in (1, 2, 4) for w in (8, 16, 24, 32)
    )


MISTAKES = {
    "SPACE.toml is missing": "sweep",
    "space 'nosuch' is unknown": "sweep nosuch",
    "cannot be read": "sweep nosuch.toml",
    "takes one space, not 2": "sweep resnext densenet",
    "give either a space or": "sweep resnext --variant resnet50",
    "must be NAME=VALUES": "sweep --variant resnet50 --set cardinality",
    "is given more than once": "sweep --variant resnet50 --set stem_width=[32] --set stem_width=[64]",
    "none of its 12 candidates satisfies": f"{SMALL} --where 'params < 1000'",
    "none of its 2 candidates is a possible network": "sweep --variant resnet18 --set cardinality=[2,4]",
    "is no column of numbers": f"{SMALL} --pareto params,nosuch",
    "'nosuch' is unknown": f"{SMALL} --where 'nosuch < 3'",
    "is no target": "sweep --nearest resnet50 speed=2",
    "needs at least one target": "sweep --nearest resnet50",
    "has no depths that could": "sweep --nearest vgg11 params=-10%",
    "asks for nothing": "sweep --nearest resnet50 macs=-100%",
    "does not satisfy params <= 1; it has params 25,557,032": "sweep --variant resnet50 --where 'params <= 1'",
    "params: is no condition; write one such as params <= 25.6e6": f"{SMALL} --where params",
    "'params <= 1': is no condition": f"{SMALL} --where '\"params <= 1\"'",
    "params <= 1 or depth: is no condition": f"{SMALL} --where 'params <= 1 or depth'",
    "k: is no condition": f"{SMALL} --let k=[1,2] --where k",
    "satisfies params <= 1; they have params from ": f"{SMALL} --where 'params <= 1'",
    "must be 64 with basic blocks": "sweep --variant resnet50 --set block=basic --set base_width=[4,8]",
    "did you mean wide_resnet": "sweep wide_resnett",
    "the range from 1 to 9,999,999,999 must": "sweep --variant resnet50 --set base_width=1..9999999999",
    "say how many with --samples": f"{SMALL} --seed 3",
    "memory_bytes, latency_ms:DEVICE@BATCH": "sweep --nearest resnet50 foo=1",
    "must be an address such as tcp://host:8786": f"{SMALL} --output rows --scheduler nonsense",
    "goes with --nearest": f"{SMALL} --per cardinality",
    "draw some with --samples": "sweep --variant resnet50 " + " ".join(f"--let v{i}=1..1000" for i in range(8)),
    "device": f"{SMALL} --where 'latency[\"nosuch\", 1] < 3'",
    "after the batch may stand float32, amp,": f'{SMALL} --where \'latency["L4", 1, "compiled"] < 3\'',
    "L4@1/amp/float16": f"{SMALL} --pareto params,latency_ms:L4@1/amp/float16",
}


@pytest.mark.parametrize("told", MISTAKES)
def test_a_mistake_is_told_in_one_sentence(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, MISTAKES[told])
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_hostile_spaces_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: one sentence each, for files that are no TOML, no space, or too large."""
    hostile = ["x = [", "title = 3", "family = 'resnet'\nfields = 1", "nosuch = 1", "#" * 70_000, "family = 'nosuch'"]
    for place, text in enumerate(hostile):
        path = tmp_path / f"{place}.toml"
        path.write_text(text, encoding="utf-8")
        status, out, err = run(capsys, f"sweep {path}")
        assert (status, out, err.count("\n")) == (2, "", 1)


def test_sweep_imports_no_torch() -> None:
    code = "import sys; from analyzer.cli import main; main(['sweep', 'resnext']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_scheduler_that_is_not_there_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Oracle: a port of this machine that nothing listens on."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    status, _, err = run(capsys, f"{SMALL} --output {tmp_path / 'rows'} --scheduler tcp://127.0.0.1:{port}")
    assert status == 2
    assert "does not answer" in err
    assert not (tmp_path / "rows").exists()


def test_candidates_that_round_to_one_network_are_one_on_the_front(capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: 64 · 0.5 and 64 · 0.55 are both 32 as multiples of 8; each size keeps its own row."""
    command = (
        "sweep --variant resnet18 --let k=[0.5,0.55,1] --set 'widths=[multiple(64*k,8),128,256,512]' "
        "--input-size 64,96 --format json --pareto macs,max:params"
    )
    _, out, _ = run(capsys, command)
    facts = json.loads(out)
    assert facts["networks"] == 6
    rows = [(row["network"], row["input_height"]) for row in facts["front"]]
    assert len(rows) == len(set(rows)) < 6


def test_a_latencys_heading_says_device_and_precision() -> None:
    """By hand: the device's own name, and float32 where no precision is named."""
    assert column_title("latency_ms:rtx4090@8") == "RTX 4090, batch 8, float32, ms"
    assert column_title("latency_ms:l4@1/amp/cuda_graph") == "L4, batch 1, amp, CUDA graph, ms"
