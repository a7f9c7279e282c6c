"""Files are written whole or not at all. Oracle: real processes that are really killed, refused or out of space."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from analyzer.cli import main
from analyzer.errors import InvalidInput
from analyzer.files import write_whole

OLD, NEW = "old and whole\n", "new and whole\n" * 50_000


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script in a Python of its own."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give an existing file, alone in its folder."""
    path = tmp_path / "report.md"
    path.write_text(OLD)
    return path


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "report.md"
    for content in ("one\n", "two — ⌊θC⌋\n", ""):
        write_whole(path, content)
        assert path.read_text(encoding="utf-8") == content
    write_whole(path, b"\x89PNG\xff")
    assert path.read_bytes() == b"\x89PNG\xff"
    assert [entry.name for entry in path.parent.iterdir()] == ["report.md"]


KILLED = """
import os, signal, sys
from pathlib import Path
from analyzer.files import write_whole

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(os, sys.argv[2], die)
write_whole(Path(sys.argv[1]), "new and whole\\n" * 50_000)
"""


@pytest.mark.parametrize("moment", ["fsync", "chmod", "replace"])
def test_a_run_killed_between_write_and_replace_leaves_the_old_file(file: Path, moment: str) -> None:
    killed = run(KILLED, file, moment)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_text() == OLD
    assert len(list(file.parent.iterdir())) == 2, "the kill came before anything was written"


REWRITES = """
import sys
from pathlib import Path
from analyzer.files import write_whole

print("ready", flush=True)
while True:
    write_whole(Path(sys.argv[1]), "a" * 2_000_000)
    write_whole(Path(sys.argv[1]), "b" * 2_000_000)
"""


def test_a_run_killed_at_any_moment_leaves_a_whole_file(file: Path) -> None:
    """Kill a process that rewrites a file of 2 MB without pause, at five moments."""
    file.write_text("a" * 2_000_000)
    for pause in (0.0, 0.03, 0.07, 0.11, 0.23):
        process = subprocess.Popen([sys.executable, "-c", REWRITES, str(file)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(pause)
        process.kill()
        process.wait()
        process.stdout.close()
        left = file.read_text()
        assert len(left) == 2_000_000
        assert len(set(left)) == 1


FULL = """
import resource, sys
from pathlib import Path
from analyzer.errors import InvalidInput
from analyzer.files import write_whole

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_whole(Path(sys.argv[1]), "new and whole\\n" * 50_000)
except InvalidInput as refused:
    print(refused)
"""


def test_a_full_disk_is_told_and_leaves_the_old_file(file: Path) -> None:
    """The process may write 4096 bytes a file, so that writing stops half way."""
    refused = run(FULL, file)
    assert refused.stdout == f"output {file}: cannot be written (File too large); nothing was changed.\n"
    assert file.read_text() == OLD
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_device_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"^output /dev/full: cannot be written \(No space left on device\)"):
        write_whole(Path("/dev/full"), NEW)


UNPRIVILEGED = """
import os, sys
from analyzer.cli import main

main(["list", "--output", os.devnull])
if os.geteuid() == 0:
    os.setuid(65534)
sys.exit(main(["list", "--output", sys.argv[1]]))
"""


@pytest.mark.slow
def test_an_unwritable_folder_is_told_with_exit_2() -> None:
    """The superuser may write anywhere, so the process gives its privileges up once it has read its own code."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.md"
        file.write_text(OLD)
        Path(folder).chmod(0o555)
        refused = run(UNPRIVILEGED, file)
        Path(folder).chmod(0o755)
        left = file.read_text()
    assert refused.returncode == 2
    first, told = refused.stderr.splitlines()
    assert first == f"wrote {os.devnull}"
    assert told == f"output {file}: cannot be written (Permission denied); nothing was changed."
    assert (refused.stdout, left) == ("", OLD)


def test_permissions_are_kept(file: Path) -> None:
    for mode in (0o600, 0o644, 0o755, 0o640):
        file.chmod(mode)
        write_whole(file, NEW)
        assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_new_file_has_the_permissions_that_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "report.md", NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.md").stat().st_mode) == 0o640


def test_a_link_is_written_through(file: Path) -> None:
    link = file.parent / "link.md"
    link.symlink_to(file.name)
    write_whole(link, "through the link\n")
    assert link.is_symlink()
    assert file.read_text() == "through the link\n"


def test_a_pipe_takes_the_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen([sys.executable, "-c", f"print(open({str(pipe)!r}).read())"], stdout=subprocess.PIPE)
    write_whole(pipe, "for the reader")
    told, _ = reader.communicate()
    assert told == b"for the reader\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_null_device_stays_a_device() -> None:
    write_whole(Path(os.devnull), NEW)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


BAD_PATHS = {
    "a folder": ("folder", "Is a directory"),
    "below a file": ("report.md/x.md", "a file is in the folder's place"),
    "a name of 300 characters": ("x" * 300, "File name too long"),
    "a NUL": ("a\0b", "null"),
    "a loop of links": ("loop/x.md", "a file is in the folder's place"),
}


@pytest.mark.parametrize("case", BAD_PATHS)
def test_an_impossible_output_is_told_with_exit_2_and_changes_nothing(
    case: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name, reason = BAD_PATHS[case]
    monkeypatch.chdir(file.parent)
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    before = sorted(path.name for path in file.parent.rglob("*"))
    assert main(["list", "--family", "densenet", "--output", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("output ")
    assert reason in err
    assert err.endswith("nothing was changed.\n")
    assert err.count("\n") == 1
    assert sorted(path.name for path in file.parent.rglob("*")) == before
    assert file.read_text() == OLD


def test_a_failure_leaves_no_temporary_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (OSError(5, "Input/output error"), KeyboardInterrupt()):

        def fail(*_: Any, failure: BaseException = error, **__: Any) -> None:
            raise failure

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", fail)
            with pytest.raises((InvalidInput, KeyboardInterrupt)):
                write_whole(file, NEW)
        assert list(file.parent.iterdir()) == [file]
        assert file.read_text() == OLD
