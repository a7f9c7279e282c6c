"""The verb page: Streamlit's server with the page of this package, and the settings that stand beside its entry."""

import gc
from collections.abc import Iterator
from pathlib import Path

import click

from analyzer import pages
from analyzer.errors import InvalidInput
from analyzer.extras import extra_imports

FOLDER = Path(pages.__file__).parent
SETTINGS = FOLDER / ".streamlit" / "config.toml"
"""Streamlit reads the settings that stand beside the file that it runs."""
_ALL_ADDRESSES = ("0.0.0.0", "::")
_COLLECT_AFTER = 2000
"""Python's own threshold: `analyzer` looks for garbage less often, which suits a verb that ends, and not a server."""


@click.command("page")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: 8501, or the next free one]")
@click.option("--address", help="Address to listen on, such as 0.0.0.0.  [default: 127.0.0.1, this machine only]")
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="A further name that it answers to, where opened.")
def page_verb(port: int | None, address: str | None, hosts: tuple[str, ...]) -> int:
    """Serve the page on this machine, until Ctrl-C ends it (extra page).

    It listens on 127.0.0.1 and answers to localhost; --address and --host let others in. Everything else that Streamlit
    can be told is told by its environment variables, such as STREAMLIT_SERVER_BASE_URL_PATH.
    """
    import tomllib  # as `socket`, not for `--help`

    with extra_imports("page"):
        from streamlit.web import cli as streamlit
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["server"]
    if port is not None or address is not None:
        _require_free(address or settings["address"], port or 0)
    gc.set_threshold(_COLLECT_AFTER)
    flags = _flags(port, address, hosts, settings["allowedHosts"])
    try:
        streamlit.main(["run", str(FOLDER / "app.py"), *flags], prog_name="analyzer page", standalone_mode=False)
    except SystemExit as left:
        return 2 if left.code else 0  # it has said why
    return 0


def _require_free(address: str, port: int) -> None:
    """InvalidInput where no server can listen there."""
    import socket

    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.create_server((address, port), family=family):
            pass
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]  # Python adds what it tried
        raise InvalidInput(f"page: cannot listen on {address}, port {port or 'any'}: {reason}.") from None


def _flags(port: int | None, address: str | None, hosts: tuple[str, ...], usual: list[str]) -> Iterator[str]:
    """What differs from the settings."""
    if port is not None:
        yield f"--server.port={port}"
    if address is not None:
        yield f"--server.address={address}"
    if address in _ALL_ADDRESSES:  # else Streamlit would ask another machine for this one's address, to print it
        yield f"--browser.serverAddress={hosts[0] if hosts else 'localhost'}"
    further = [*hosts, *([address] if address and address not in _ALL_ADDRESSES else [])]
    if further:
        yield from (f"--server.allowedHosts={name}" for name in dict.fromkeys([*usual, *further]))
