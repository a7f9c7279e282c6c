"""What a page runs in processes of its own."""

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.errors import Unavailable
from analyzer.pages import proving
from tests.pages.conftest import SECONDS


def _proving(tmp_path: Path, *lines: str) -> proving.Proving:
    program = tmp_path / f"prover{len(list(tmp_path.iterdir()))}.py"
    program.write_text("import sys, time\n" + "\n".join(lines), encoding="utf-8")
    return proving.Proving("resnet50", (sys.executable, str(program)))


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_proof_tells_its_progress_and_its_result(tmp_path: Path) -> None:
    running = _proving(
        tmp_path,
        """print('{"done": 2, "total": 4, "path": "b"}', flush=True)""",
        "time.sleep(0.3)",
        "print('{\"proof\": 1}')",
    )
    _wait(lambda: running.progress == (0.25, "Block 2 of 4"))
    assert running.result == {} or not running.running
    _wait(lambda: not running.running)
    assert running.result == {"proof": 1}


def test_stopped_and_broken_proofs_say_so(tmp_path: Path) -> None:
    running = _proving(tmp_path, "time.sleep(600)")
    running.stop()
    _wait(lambda: not running.running)
    assert "ended" in running.result["problem"]
    broken = _proving(tmp_path, "print('no JSON')")
    _wait(lambda: not broken.running)
    assert "problem" in broken.result


def test_a_proof_that_nobody_refers_to_is_ended_and_its_place_is_free(tmp_path: Path) -> None:
    marker = tmp_path / "alive"
    tick = f"while True: open({str(marker)!r}, 'a').write('x'); time.sleep(0.02)"
    first, second = _proving(tmp_path, tick), _proving(tmp_path, tick)
    with pytest.raises(Unavailable, match="other proofs are running"):
        _proving(tmp_path, tick)
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
    third = _proving(tmp_path, "print('{\"proof\": 1}')")
    _wait(lambda: not third.running)
