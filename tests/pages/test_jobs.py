"""What a page runs in processes of its own."""

import gc
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analyzer.api import measure_latency
from analyzer.errors import Unavailable
from analyzer.pages.jobs import jobs, measure
from tests.pages.conftest import SECONDS

pytestmark = pytest.mark.slow


def _job(tmp_path: Path, *lines: str) -> jobs.BackgroundJob:
    program = tmp_path / f"prover{len(list(tmp_path.iterdir()))}.py"
    program.write_text("import sys, time\n" + "\n".join(lines), encoding="utf-8")
    return jobs.BackgroundJob("resnet50", (sys.executable, str(program)))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_job_tells_its_progress_and_its_result(tmp_path: Path) -> None:
    running = _job(
        tmp_path,
        """print('{"words": "Block 2 of 4", "share": 0.25}', flush=True)""",
        "time.sleep(0.3)",
        "print('{\"proof\": 1}')",
    )
    _wait(lambda: running.progress == (0.25, "Block 2 of 4"))
    assert running.result == {} or not running.running
    _wait(lambda: not running.running)
    assert running.result == {"proof": 1}


def test_stopped_and_broken_jobs_say_so(tmp_path: Path) -> None:
    running = _job(tmp_path, "time.sleep(600)")
    running.stop()
    _wait(lambda: not running.running)
    assert "ended" in running.result["problem"]
    broken = _job(tmp_path, "print('no JSON')")
    _wait(lambda: not broken.running)
    assert "problem" in broken.result


def test_a_job_that_nobody_refers_to_is_ended_and_its_place_is_free(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    tick = f"while True: open({str(marker)!r}, 'a').write('x'); time.sleep(0.02)"
    first, second = _job(tmp_path, tick), _job(tmp_path, tick)
    with pytest.raises(Unavailable, match="other computations are running"):
        _job(tmp_path, tick)
    _wait(marker.exists)
    first.stop()
    _wait(lambda: not first.running)
    del second
    gc.collect()

    def quiet() -> bool:
        size = marker.stat().st_size
        time.sleep(0.3)
        return marker.stat().st_size == size

    _wait(quiet)
    third = _job(tmp_path, "print('{\"proof\": 1}')")
    _wait(lambda: not third.running)


@pytest.mark.live
def test_a_measurement_tells_stages_conditions_and_its_mistakes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Oracle: the stages of ResNet-20, and the sentence that the analyser raises; a few samples show them, too."""
    quick = partial(measure_latency, num_bench_iter=5, reference=None)
    monkeypatch.setattr(measure, "measure_latency", quick)
    lines = _said(capsys, "resnet20_cifar", "16x8", "2", "cpu")
    assert [line["share"] for line in lines[:-1]] == [0, 0.5]
    result = lines[-1]
    assert [line["stage"] for line in result["stages"]] == ["stem", "stage 1", "stage 2", "stage 3", "head"]
    assert all(0 < line["low"] <= line["median"] <= line["high"] for line in [*result["stages"], result["network"]])
    assert sum(line["share"] for line in result["stages"]) == pytest.approx(100, abs=0.5)
    assert "2 × 3×16×8" in result["conditions"]
    assert "Conditions: " in result["conditions"]
    assert json.loads(result["record"])["schema"] == 1
    assert "device 'nonsense'" in _said(capsys, "resnet18", "8", "1", "nonsense")[-1]["problem"]


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    measure.main(*arguments)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
