"""A proof of equivalence as markdown: the verdict, why it holds, the worst errors, the planted faults, every block."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from analyzer.render.tables import padded_table
from analyzer.render.units import exact, shape

if TYPE_CHECKING:
    from analyzer.live.proof import Comparison, Control, Proof

WHY = (
    "The first 1×1 is only cut along its output channels. Cut the last 1×1 along its input channels, "
    "W₃ = [W₃⁽¹⁾ … W₃⁽ᶜ⁾]; then W₃ [z₁; …; z_C] = Σᵢ W₃⁽ⁱ⁾ zᵢ, "
    "so the convolution of the paths' concatenation is the sum of the paths' convolutions: (b) = (a). "
    "C convolutions side by side, each on its own channels, are what one convolution in C groups is: (b) = (c). "
    "Batch norm and ReLU act on each channel alone, so it does not matter which path holds it."
)
"""The identity in one paragraph."""

BOUND = (
    "An error is max|a − b| / max|b| over a tensor. Its bound is 2·λ·u·Σ√n: u the dtype's unit roundoff, n the length "
    "of each sum that the tensor depends on, λ = 8.4 for a chance of one in a million that rounding alone breaks any "
    "of them; in float64 at most 1e-12. An error of 0 means bit for bit."
)

_GRADIENTS = ("gradient of input", "gradients of weights")
_GROUPS = {"output": ("output",), "gradients": _GRADIENTS, "running statistics": ("running statistics",)}


def markdown_proof(proof: "Proof") -> str:
    """The whole proof; one sentence where there is nothing to prove."""
    if proof.reason:
        return f"# {proof.title}\n\n**Nothing to prove.** {proof.reason}\n"
    parts = [
        f"# {proof.title}: three forms, one function",
        verdict(proof),
        cost_table(proof),
        f"**Why.** {WHY}",
        f"## Worst error over all blocks\n\n{summary_table(proof)}",
        BOUND,
        f"## Planted faults\n\nEach is made in one path or two of one block and must be seen.\n\n{fault_table(proof)}",
        f"## Every block\n\n{block_table(proof)}",
        _conditions(proof),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(proof: "Proof") -> str:
    """The result in one or two sentences."""
    failed = [row for row in proof.rows if not row.passed]
    missed = [control for control in proof.controls if not control.detected]
    if proof.passed:
        paths = "/".join(map(str, sorted(set(proof.blocks.values()))))
        return (
            f"**Equal.** In all {len(proof.blocks)} blocks of `{proof.variant}` ({paths} paths each) the forms have "
            f"the same output, gradients and running statistics up to rounding ({exact(len(proof.rows))} comparisons), "
            f"and all {exact(len(proof.controls))} planted faults were seen."
        )
    told = [f"{exact(len(failed))} of {exact(len(proof.rows))} comparisons are over their bound" if failed else ""]
    told += [f"{len(missed)} of {len(proof.controls)} planted faults went unseen" if missed else ""]
    told += ["" if proof.costs_equal else "the forms' parameters or MACs differ"]
    return f"**Not equal.** For `{proof.variant}` {'; '.join(filter(None, told))}.{_worst_sentence(failed)}"


def _worst_sentence(failed: "Sequence[Comparison]") -> str:
    if not failed:
        return ""
    worst = _worst(failed)
    place = f"block {worst.block}" if worst.block else "the whole network"
    case = f"{worst.identity}, {worst.dtype}, {worst.mode}"
    return f" Worst is the {worst.what} ({worst.where}) of {place}, {case}: {_against(worst)}."


def cost_table(proof: "Proof") -> str:
    """Parameters and MACs of the network in each form."""
    rows = [
        [f"({cost.form}) {cost.title}", exact(cost.params), exact(cost.macs), exact(cost.num_ops)]
        for cost in proof.costs
    ]
    return padded_table(["form (Xie et al. 2017, Figure 3)", "parameters", "MACs", "ops"], rows, "lrrr")


def summary_table(proof: "Proof") -> str:
    """One line for each identity, dtype and mode: the worst errors over the blocks, with their bounds."""
    lines: dict[tuple[str, str, str, str], list[Comparison]] = {}
    for row in proof.rows:
        place = "every block" if row.block else "whole network"
        lines.setdefault((row.identity, place, row.dtype, row.mode), []).append(row)
    heads = ["identity", "where", "dtype", "mode", *_GROUPS, ""]
    cells = [
        [*line, *(_worst_cell(rows, whats) for whats in _GROUPS.values()), _mark(rows)] for line, rows in lines.items()
    ]
    return padded_table(heads, cells, "llllrrrl")


def fault_table(proof: "Proof") -> str:
    """One line for each fault and form: how often it was seen, and the nearest it came to escaping."""
    lines: dict[tuple[str, str], list[Control]] = {}
    for control in proof.controls:
        lines.setdefault((control.fault, control.form), []).append(control)
    heads = ["fault", "in form", "seen", "smallest difference", "bound", "in"]
    return padded_table(heads, [_fault_cells(*line, found) for line, found in lines.items()], "llrrrl")


def _fault_cells(fault: str, form: str, found: "list[Control]") -> list[str]:
    nearest = min(found, key=lambda control: control.max_rel / control.tolerance)
    seen = sum(control.detected for control in found)
    place = f"`{nearest.block}`, {nearest.dtype}"
    return [fault, f"({form})", f"{seen} of {len(found)}", f"{nearest.max_rel:.2g}", _number(nearest.tolerance), place]


def block_table(proof: "Proof") -> str:
    """One line for each block and dtype, the worst over both modes."""
    lines: dict[tuple[str, str], list[Comparison]] = {}
    for row in proof.rows:
        if row.block:
            lines.setdefault((row.block, row.dtype), []).append(row)
    heads = [
        "block",
        "dtype",
        *(f"{identity} {name}" for identity in _identities(proof) for name in ("output", "gradients")),
        "",
    ]
    cells = [_block_cells(proof, *line, rows) for line, rows in lines.items()]
    return padded_table(heads, cells, f"ll{'r' * (len(heads) - 3)}l")


def _block_cells(proof: "Proof", path: str, dtype: str, rows: "list[Comparison]") -> list[str]:
    errors = [
        _worst_cell([row for row in rows if row.identity == identity], whats)
        for identity in _identities(proof)
        for whats in (("output",), _GRADIENTS)
    ]
    return [f"`{path}`", dtype, *errors, _mark(rows)]


def _identities(proof: "Proof") -> list[str]:
    return list(dict.fromkeys(row.identity for row in proof.rows))


def _worst_cell(rows: "Iterable[Comparison]", whats: Sequence[str]) -> str:
    compared = [row for row in rows if row.what in whats]
    return _against(_worst(compared)) if compared else ""


def _worst(rows: "Iterable[Comparison]") -> "Comparison":
    return max(rows, key=lambda row: row.max_rel / row.tolerance)


def _against(row: "Comparison") -> str:
    return f"{_number(row.max_rel)} {'≤' if row.passed else '>'} {_number(row.tolerance)}"


def _number(value: float) -> str:
    return f"{value:.1e}" if value else "0"


def _mark(rows: "Iterable[Comparison]") -> str:
    return "equal" if all(row.passed for row in rows) else "**differs**"


def _conditions(proof: "Proof") -> str:
    given = proof.conditions
    side = given["block_input_size"]
    redrawn = sum(row.draw > 0 for row in proof.rows if row.what == "output" and row.identity == _identities(proof)[0])
    told = [
        f"Seed {given['seed']}; each block with its own random weights and batch norm statistics, "
        f"input {given['block_batch_size']}×C×{side}×{side}",
        _whole_network_words(proof),
        f"{redrawn} inputs were redrawn because rounding moved a ReLU's input across zero, where it has no gradient"
        if redrawn
        else "",
        f"torch {given['torch']} on the CPU, {given['threads']} thread{'s' * (given['threads'] > 1)}",
    ]
    return "; ".join(filter(None, told)) + "."


def _whole_network_words(proof: "Proof") -> str:
    given = proof.conditions
    if any(not row.block for row in proof.rows):
        return f"the whole network at {shape((given['network_batch_size'], *given['network_input_shape']))}"
    if "float64" in given["dtypes"]:
        return "the whole network was not run, its split forms having more ops than the bound of 20,000"
    return ""
