"""The verb verify: closed form against other oracles, torch among them."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from analyzer.cli.options import VariantType, format_option, input_size_option, output_option, write_output
from analyzer.cost.analysis import Analysis, analyze
from analyzer.errors import InvalidInput, shortened
from analyzer.extras import extra_imports
from analyzer.families.network import Network, Size
from analyzer.families.registry import variant_names
from analyzer.live.verify.checks import Check, Verification
from analyzer.render.equivalence.verification import verifications_markdown


@click.command("verify")
@click.argument("variants", nargs=-1, type=VariantType(), metavar="[VARIANT…]")
@input_size_option
@click.option("--weights", type=click.Path(path_type=Path), help="A weight file that must fit the one VARIANT.")
@format_option("markdown", "json")
@output_option
def verify_verb(
    variants: tuple[Network, ...], input_size: Size | None, weights: Path | None, output_format: str, output: str | None
) -> int:
    """Closed form against the live network, its memory, fvcore, torch's counters, torchvision and timm; needs torch.

    Without a VARIANT every named one is verified. Exit status 1 where any oracle disagrees.
    """
    analyses = [analyze(variant, input_size) for variant in variants or variant_names()]
    weight_checks = _check_weights(analyses, weights)
    verifications = [replace(item, checks=(*item.checks, *weight_checks)) for item in _verifications(analyses)]
    passed = all(item.passed for item in verifications)
    if output_format == "json":
        document = {"schema": 1, "passed": passed, "verifications": [item.to_dict() for item in verifications]}
        write_output(json.dumps(document, indent=1, ensure_ascii=False) + "\n", output)
    else:
        write_output(verifications_markdown(verifications), output)
    return 0 if passed else 1


def _check_weights(analyses: list[Analysis], weights: Path | None) -> tuple[Check, ...]:
    """The check of a weight file, made before all others, since it may not fit."""
    if weights is None:
        return ()
    if len(analyses) != 1:
        raise InvalidInput(f"--weights {shortened(weights)}: fits one VARIANT, and {len(analyses)} are verified.")
    with extra_imports("live"):
        from analyzer.live.weights.load import weights_check

        return (weights_check(analyses[0].network, weights),)


def _verifications(analyses: list[Analysis]) -> Iterator[Verification]:
    with extra_imports("live"):
        from analyzer.live.verify.verify import verify
    for analysis in _with_progress(analyses):
        yield verify(analysis)


def _with_progress(analyses: list[Analysis]) -> Iterable[Analysis]:
    """The analyses, with a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield from analyses
        return
    with click.progressbar(analyses, file=sys.stderr, item_show_func=lambda item: item.variant if item else "") as bar:
        yield from bar
