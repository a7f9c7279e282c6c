"""The command line: one verb a job, loaded when it is called."""

import io
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from analyzer import __version__
from analyzer.errors import InvalidInput, Unavailable

VERBS: dict[str, dict[str, str]] = {
    "Look": {"list": "list", "report": "report", "explain": "explain", "diagram": "diagram", "compare": "compare"},
    "Prove": {"verify": "verify", "equivalence": "equivalence", "reconcile": "reconcile"},
    "Guard": {"check": "check"},
    "Time": {"latency": "latency"},
    "Design": {"sweep": "sweep"},
    "Take away": {"export": "export"},
    "Serve": {"page": "page"},
}
"""Group of the help text → verb → module of this package that holds its command of the same name."""


class _Verbs(click.Group):
    """Shows the verbs in groups, and imports a verb's module only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verbs in VERBS.values() for verb in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = next((verbs[cmd_name] for verbs in VERBS.values() if cmd_name in verbs), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"analyzer.cli.{module}"), f"{cmd_name}_verb")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in VERBS.items():
            with formatter.section(title):
                formatter.write_dl([(verb, self._short_help(ctx, verb)) for verb in verbs])

    def _short_help(self, ctx: click.Context, verb: str) -> str:
        command = self.get_command(ctx, verb)
        return command.get_short_help_str(limit=90) if command else ""


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="analyzer")
def verbs() -> None:
    """Exact, instant analysis of residual and densely connected networks.

    A VARIANT is a name (resnet50), or a name with changes (resnet50:cardinality=32,base_width=4).
    Exit status: 0 good, 1 a disagreement or regression was found, 2 the command could not be carried out as given.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status: 0 good, 1 disagreement, 2 a mistake, reported in one sentence."""
    _write_utf8()
    try:
        status = verbs.main(args=arguments, prog_name="analyzer", standalone_mode=False)
    except (InvalidInput, Unavailable) as error:
        click.echo(str(error), err=True)
        return 2
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        click.echo(" ".join(error.format_message().split()), err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; nothing was left half-written.", err=True)
        return 130
    except SystemExit:
        return 0  # how click leaves, quietly, when the reader of the output went away; 1 would mean a disagreement
    except OSError as error:
        click.echo(f"{error.filename or 'standard output'}: {error.strerror or error}.", err=True)
        return 2
    return int(status or 0)


def _write_utf8() -> None:
    """Write UTF-8 into pipes and files, as `--output` does, and what a terminal cannot show as "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
