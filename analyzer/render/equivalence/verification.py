"""A verification as a table for people."""

from collections.abc import Sequence

from analyzer.live.verify.checks import Check, Verification
from analyzer.text.tables import padded_table
from analyzer.text.units import exact, shape

_HEADERS = ("Oracle", "Tool", "Quantity", "Ours", "Theirs", "Difference", "Verdict")
_VERDICTS = {True: "equal", False: "DIFFERS", None: "not applicable"}


def verifications_markdown(verifications: Sequence[Verification]) -> str:
    """One table a network, and one sentence that sums up."""
    return "\n\n".join([*map(_section, verifications), _CONVENTION, _summary(verifications)]) + "\n"


def _section(verification: Verification) -> str:
    table = padded_table(_HEADERS, [_cells(check) for check in verification.checks], "lllrrrl")
    return f"## {verification.variant} at {shape(verification.input_shape)}\n\n{table}"


def _cells(check: Check) -> tuple[str, ...]:
    numbers = (_number(value) for value in (check.ours, check.theirs, check.difference))
    word = "not judged" if check.passed is None and check.ours is not None else _VERDICTS[check.passed]
    verdict = f"{word}: {check.note}" if check.note else word
    return (check.oracle, check.tool, check.quantity, *numbers, verdict)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return exact(value) if isinstance(value, int) else f"{value:.6g}" if value else "0.0"


_CONVENTION = (
    "Ours is the closed form. MACs are the multiply-accumulates of convolutions and linear layers, activations their "
    "output elements; beside another tool stands our figure by that tool's counting rule. "
    "Counts must be equal to the unit, tensors to the bit. Memory is that of the storages that torch's ops return and "
    "free, seen at its dispatcher; the CPU allocator's peak is the profiler's, CUDA's is max_memory_allocated."
)


def _summary(verifications: Sequence[Verification]) -> str:
    equal, differ, silent = (sum(item.num(passed) for item in verifications) for passed in (True, False, None))
    networks = f"{len(verifications)} network{'s' if len(verifications) != 1 else ''}"
    return f"{networks}: {equal} checks equal, {differ} differ, {silent} not applicable or not judged."
