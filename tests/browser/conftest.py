"""A real server and a real Chromium; every page fails its test on an error or on a request that leaves the machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

ROOT = Path(__file__).parents[2]
SECONDS = 60
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --process-per-site"
)
_PROBES = ("/_stcore/health", "/_stcore/host-config")
"""What Streamlit asks for below a page's own path, too, when that page is opened by its link; a 404 is the answer."""

OpenPage = Callable[..., Page]

expect.set_options(timeout=30_000)  # a busy machine is slow to answer


def chromium() -> str | None:
    """The program that CHROMIUM names, or the first that is on the PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, _NAMES) if path), None)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The Chromium of this machine; without one the tests are skipped, and fail where `CI` is set."""
    program = chromium()
    if program is None:
        reason = f"no Chromium: none of {', '.join(_NAMES)} is on the PATH, and CHROMIUM names none"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": program, "args": _QUIET.split()}


@pytest.fixture(scope="session")
def address(browser_type_launch_args: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server listens; its log must be free of tracebacks when all is over."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")  # the page is served from any folder
    log = folder / "log.txt"
    command = [sys.executable, "-m", "analyzer", "page", "--port", str(port)]
    with log.open("wb") as out, subprocess.Popen(command, cwd=folder, stdout=out, stderr=out) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
    assert "Traceback" not in log.read_text(encoding="utf-8")


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(SECONDS * 10):
        assert server.poll() is None, "the server ended by itself"
        try:
            with urlopen(url, timeout=1):
                return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    pytest.fail("the server did not answer")


@pytest.fixture(scope="session")
def shared_context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """One context for all tests that need no new one.

    A tab stays open in it: others then share its window, its process and the scripts that it has compiled, which
    makes opening one a third cheaper.
    """
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.goto(address)
        settle(page)
        yield context


@pytest.fixture
def open_page(browser: Browser, shared_context: BrowserContext, address: str) -> Iterator[OpenPage]:
    """Open a path in a tab at 1280×800, or, `alone`, in a new context, as on another person's machine."""
    tabs: list[Page] = []
    wrong: list[str] = []

    def opened(path: str = "/", scheme: Any = "light", alone: bool = False) -> Page:
        page = browser.new_page() if alone else shared_context.new_page()
        tabs.append(page)
        page.set_default_timeout(SECONDS * 1000)
        page.set_viewport_size({"width": 1280, "height": 800})
        page.emulate_media(color_scheme=scheme)
        page.on("console", lambda message: wrong.extend(_console_errors(message)))
        page.on("pageerror", lambda error: wrong.append(f"page error: {error}"))
        page.on("request", lambda request: wrong.extend(_foreign_requests(request, address)))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(address + path)
        settle(page)
        page.wait_for_function("window.resnetAnalyzerSteps")  # from then on a click is one step of the history
        return page

    yield opened
    for page in tabs:
        page.close()
    assert wrong == []


def _console_errors(message: ConsoleMessage) -> list[str]:
    probed = message.location["url"].endswith(_PROBES)
    return [f"console: {message.text}"] if message.type == "error" and not probed else []


def _foreign_requests(request: Request, address: str) -> list[str]:
    own = request.url.startswith((f"{address}/", "data:", "blob:"))
    return [] if own else [f"request: {request.url[:200]}"]


def settle(page: Page) -> None:
    """Wait until the server has run the script and the page has taken the result."""
    page.wait_for_selector(
        '[data-testid="stApp"][data-test-script-state="notRunning"] [data-testid="stMainBlockContainer"]'
    )
    page.wait_for_timeout(250)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def type_expression(page: Page, expression: str) -> None:
    """Type a variant expression and take it with Enter."""
    box = page.get_by_role("textbox", name="Variant expression")
    box.fill(expression)
    box.press("Enter")
    settle(page)


def figures(page: Page) -> dict[str, str]:
    """The headline's exact figures by name."""
    page.wait_for_selector(".figures")
    names, values = page.locator(".figures dt").all_inner_texts(), page.locator(".figures small").all_inner_texts()
    return dict(zip(names, values, strict=True))
