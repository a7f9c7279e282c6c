"""The verb page: from any folder, with the safe settings, and mistakes in one sentence.

Oracle: a real server, what it says, and Streamlit's own reading of its settings.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from streamlit import config

from analyzer.cli import main
from analyzer.cli.page import FOLDER, SETTINGS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Streamlit is told instead of being started."""
    told: list[str] = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda arguments, **_: told.extend(arguments))
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)
    return told


@pytest.mark.slow
def test_it_serves_from_any_folder_and_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    """The settings are found: without them Streamlit would listen everywhere and ask for an e-mail address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "analyzer", "page", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=-1, stderr=-1, text=True) as server:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health")
        server.send_signal(signal.SIGINT)
        said, errors = server.communicate(timeout=30)
    assert server.returncode == 0
    assert re.findall(r"https?://\S+", said) == [f"http://127.0.0.1:{port}"]
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    pytest.fail("the server did not answer")


def test_both_ways_to_start_have_one_file_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit reads the file beside the script that it runs; the repository's is that of the package."""
    assert (ROOT / ".streamlit" / "config.toml").resolve() == SETTINGS.resolve()
    monkeypatch.setattr(config, "_main_script_path", str(FOLDER / "app.py"))
    assert str(SETTINGS) == config.get_config_files("config.toml")[-1]


def test_the_settings_are_safe_for_one_persons_machine() -> None:
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))
    assert settings["server"]["address"] == "127.0.0.1"
    assert settings["server"]["allowedHosts"] == ["localhost", "127.0.0.1"]
    assert settings["server"]["enableXsrfProtection"]
    assert settings["server"]["headless"]
    assert not settings["browser"]["gatherUsageStats"]


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "65536"], ["--port", "eight"]])
def test_a_port_that_is_none_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", *arguments]) == 2
    assert re.fullmatch(r"Invalid value for '--port': .+\n", capsys.readouterr().err)


def test_a_port_that_is_taken_and_an_address_of_another_machine_are_one_sentence(
    taken: int, command_line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["page", "--port", str(taken)]) == 2
    assert capsys.readouterr().err == f"page: cannot listen on 127.0.0.1, port {taken}: Address already in use.\n"
    assert main(["page", "--address", "192.0.2.1"]) == 2
    assert re.fullmatch(r"page: cannot listen on 192\.0\.2\.1, port any: [^\n(]+\.\n", capsys.readouterr().err)
    assert command_line == []


def test_what_streamlit_itself_refuses_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    def left(*_: object, **__: object) -> None:
        raise SystemExit(1)

    monkeypatch.setattr("streamlit.web.cli.main", left)
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)
    assert main(["page"]) == 2


def allowed(name: str) -> list[str]:
    """The flags that let one more name in."""
    return [f"--server.allowedHosts={host}" for host in ("localhost", "127.0.0.1", name)]


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], []),
        (["--address", "127.0.0.2"], ["--server.address=127.0.0.2", *allowed("127.0.0.2")]),
        (
            ["--address", "0.0.0.0", "--host", "page.example.org"],
            [
                "--server.address=0.0.0.0",
                "--browser.serverAddress=page.example.org",
                *allowed("page.example.org"),
            ],
        ),
        (["--address", "0.0.0.0"], ["--server.address=0.0.0.0", "--browser.serverAddress=localhost"]),
    ],
)
def test_streamlit_is_told_what_differs_from_the_settings(
    arguments: list[str], flags: list[str], command_line: list[str]
) -> None:
    assert main(["page", *arguments]) == 0
    assert command_line == ["run", str(FOLDER / "app.py"), *flags]
