"""Options and arguments that several verbs share, with their parsing."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analyzer.families.network import Network, Size, network, parse_size
from analyzer.families.toml_file import network_at
from analyzer.files import write_whole


class _SizeType(click.ParamType[Size]):
    """`224` or `320x256` (height x width)."""

    name = "SIDE|HEIGHTxWIDTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts defaults, too
        return _size(value)


class _SizesType(click.ParamType[tuple[Size, ...]]):
    """`224`, `320x256`, or several joined by commas."""

    name = "SIZE[,SIZE…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Size, ...]:
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # click converts defaults, too
        return tuple(_size(part) for part in value.split(","))


def _size(text: str) -> Size:
    return parse_size(text, "--input-size")


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class VariantType(click.ParamType[Network]):
    """A variant expression, or the path of a TOML file that describes a network."""

    name = "VARIANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Network:
        return network_at(value) if isinstance(value, str) else network(value)


variant_argument: Decorator = click.argument("variant", type=VariantType())
input_size_option: Decorator = click.option(
    "--input-size", type=_SizeType(), default=None, help="Input in pixels; by default 224, or 32 for CIFAR stems."
)
input_sizes_option: Decorator = click.option(
    "--input-size",
    "input_sizes",
    type=_SizesType(),
    multiple=True,
    help="Input in pixels, one or several (224,288x384); by default 224, or 32 for CIFAR stems.",
)
output_option: Decorator = click.option("--output", default=None, help="File to write, or - for standard output.")


def format_option(*formats: str) -> Decorator:
    """`--format`, the first format being the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="Form of the output.",
    )


def deliver(content: str | bytes, output: str | None) -> None:
    """Write to the file named, or to standard output where it is None or `-`."""
    if output not in (None, "-"):
        write_whole(Path(str(output)), content)
        click.echo(f"wrote {output}", err=True)
    elif isinstance(content, bytes):
        sys.stdout.buffer.write(content)
    else:
        click.echo(content.rstrip("\n"))
