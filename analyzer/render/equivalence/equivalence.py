"""A proof of equivalence as markdown: the verdict, why it holds, the worst errors, the planted faults, every block."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from analyzer.text.tables import padded_table, terminal_table
from analyzer.text.units import exact, shape

if TYPE_CHECKING:
    from analyzer.live.equivalence.proof import BlockCheck, FaultControl, Identity, Proof, TensorComparison

TableWriter = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
"""What makes a table of heads, rows and sides."""


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table for the terminal, of cells that were written for markdown."""
    return terminal_table(heads, [[without_markdown(cell) for cell in row] for row in rows], align)


def without_markdown(text: str) -> str:
    """Text without markdown's marks."""
    return text.replace("**", "").replace("`", "")


def identity_table(proof: "Proof", draw: TableWriter = padded_table) -> str:
    """One line for each identity that the network has a place for: places, worst errors in each dtype, faults seen."""
    dtypes = list(
        dict.fromkeys(row.dtype for item in applicable_identities(proof) for row in identity_rows(proof, item))
    )
    heads = ["identity", "shown on", *dtypes, "faults seen", ""]
    cells = [_cells(proof, item, dtypes) for item in applicable_identities(proof)]
    return draw(heads, cells, f"ll{'r' * len(dtypes)}ll")


def identity_paragraphs(proof: "Proof") -> str:
    """A paragraph for each identity that was proved: what it says, its formula, why, and what was found here."""
    return "\n\n".join(_paragraph(item) for item in applicable_identities(proof))


def identity_lines(proof: "Proof") -> str:
    """Name, formula and why of each identity that was proved, for the terminal."""
    return "\n".join(
        "\n    ".join(filter(None, (f"{item.name}:  {item.formula}", item.why, item.found)))
        for item in applicable_identities(proof)
    )


def inapplicable_identities(proof: "Proof") -> str:
    """A line for each identity that the network has no place for, with the reason; "" where it has all."""
    return "\n".join(f"- {item.name}: {item.reason}" for item in proof.identities if item.reason)


def applicable_identities(proof: "Proof") -> "list[Identity]":
    """The identities that the network has a place for."""
    return [item for item in proof.identities if not item.reason]


def identity_rows(proof: "Proof", item: "Identity") -> "list[TensorComparison]":
    """The comparisons of one identity."""
    return [row for row in proof.rows if row.identity == item.name]


def _paragraph(item: "Identity") -> str:
    example = f" Here: {item.found}." if item.found else ""
    return f"**{item.title}** `{item.formula}`. {item.why}{example}"


def _cells(proof: "Proof", item: "Identity", dtypes: Sequence[str]) -> list[str]:
    rows = identity_rows(proof, item)
    controls = [control for control in proof.controls if control.identity == item.name]
    errors = [error_and_bound(worst_row([row for row in rows if row.dtype == dtype])) for dtype in dtypes]
    return [item.name, _paths_text(rows), *errors, _detected_faults(controls), pass_mark(rows)]


def _paths_text(rows: "Sequence[TensorComparison]") -> str:
    paths = list(dict.fromkeys(row.block for row in rows))
    if paths == [""]:
        return "the whole network"
    return f"`{paths[0]}`" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _detected_faults(controls: "Sequence[FaultControl]") -> str:
    if not controls:
        return ""
    faults = ", ".join(dict.fromkeys(control.fault for control in controls))
    return f"{sum(control.detected for control in controls)} of {len(controls)}: {faults}"


def worst_row(rows: "Iterable[TensorComparison]") -> "TensorComparison":
    """The row that comes nearest to its bound, or goes farthest beyond."""
    return max(rows, key=lambda row: (not row.passed, row.max_rel / (row.tolerance or 1)))


def error_and_bound(row: "TensorComparison") -> str:
    """An error and its bound: "3.1e-07 ≤ 4.3e-05"; an error that is not judged stands alone."""
    if row.tolerance is None:
        return f"{error_text(row.max_rel)}, not judged"
    return f"{error_text(row.max_rel)} {'≤' if row.passed else '>'} {error_text(row.tolerance)}"


def error_text(value: float) -> str:
    """An error with two digits; "0" means bit for bit."""
    return f"{value:.1e}" if value else "0"


def pass_mark(rows: "Iterable[TensorComparison]") -> str:
    """Whether all rows agree, in a word."""
    judged = list(rows)
    if all(row.tolerance is None for row in judged):
        return ""
    return "equal" if all(row.passed for row in judged) else "**differs**"


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

SHORT_BOUND = (
    "float16 and bfloat16 store 11 and 8 digits of what float32 sums: their bound is 2·λ·(u₃₂·Σ√n + u·√r) with r "
    "roundings one after the other. Where a whole network's passes 1 it says nothing, and the error is only reported. "
    "A fault in one path of many may be smaller than the bound, so faults are planted in float64 and float32."
)

DRIFT = (
    "In training mode the statistics of each batch norm depend on all samples, and magnify rounding from block to "
    "block: float64 is held to 1e-11, float32's drift is reported and not judged. It is so small because the ReLUs "
    "take the same sides in all forms; left alone, single inputs cross zero and gradients differ by whole per cents."
)

BIASES = (
    "With convolution biases the forms' parameters differ: in form (a) each path has a bias of its own for the last "
    "1×1, C times the output channels, of which only the sum matters; it holds 1/C of the grouped form's."
)

_GRADIENTS = ("gradient of input", "gradients of weights")
_GROUPS = {"output": ("output",), "gradients": _GRADIENTS, "running statistics": ("running statistics",)}


def markdown_proof(proof: "Proof") -> str:
    """The whole proof: the verdict, the three forms where the network has them, the other identities, conditions."""
    title = "three forms, one function" if proof.blocks else "identities"
    parts = [f"# {proof.title}: {title}", proof_verdict(proof), *_form_parts(proof), *_other_parts(proof)]
    parts += [] if proof.blocks else [BOUND]
    return "\n\n".join([*parts, conditions_sentence(proof)]) + "\n"


def text_proof(proof: "Proof") -> str:
    """The verdict, the tables of worst errors, and which identities have no place here, for the terminal."""
    parts = [proof_verdict(proof)]
    if proof.blocks:
        parts += [table(proof, plain_table) for table in (cost_table, summary_table, fault_table)]
    parts += [identity_table(proof, plain_table), identity_lines(proof)] if applicable_identities(proof) else []
    parts += [f"Not in this network:\n{inapplicable_identities(proof)}"] if inapplicable_identities(proof) else []
    return without_markdown("\n\n".join([*parts, BOUND, conditions_sentence(proof)])) + "\n"


def _form_parts(proof: "Proof") -> list[str]:
    if not proof.blocks:
        return []
    dtypes = {row.dtype for row in proof.rows}
    drift = any(row.tolerance is None for row in proof.rows)
    return [
        cost_table(proof),
        *([BIASES] if any(cost.biases for cost in proof.costs) else []),
        f"**Why.** {WHY}",
        f"## Worst error over all blocks\n\n{summary_table(proof)}",
        BOUND,
        *([SHORT_BOUND] if dtypes & {"float16", "bfloat16"} else []),
        *([DRIFT] if drift else []),
        f"## Planted faults\n\nEach is made in one path or two of one block and must be seen.\n\n{fault_table(proof)}",
        f"## Every block\n\n{block_table(proof)}",
    ]


def _other_parts(proof: "Proof") -> list[str]:
    parts = []
    if applicable_identities(proof):
        parts = [f"## The other identities\n\n{identity_table(proof)}", identity_paragraphs(proof)]
    if inapplicable_identities(proof):
        parts.append(f"## Not in this network\n\n{inapplicable_identities(proof)}")
    return parts


def proof_verdict(proof: "Proof") -> str:
    """The result in a few sentences."""
    failed = [row for row in proof.rows if not row.passed]
    missed = [control for control in proof.controls if not control.detected]
    reason = f" **No three forms.** {proof.reason}" if proof.reason else ""
    if not proof.rows:
        return f"**Nothing to prove.**{reason}"
    if proof.passed:
        return _passed_text(proof) + reason
    sentences = [f"{exact(len(failed))} of {exact(len(proof.rows))} comparisons are over their bound" if failed else ""]
    sentences += [f"{len(missed)} of {len(proof.controls)} planted faults went unseen" if missed else ""]
    sentences += ["" if proof.costs_equal else "the forms' parameters or MACs differ"]
    return (
        f"**Not equal.** For `{proof.variant}` {'; '.join(filter(None, sentences))}.{_worst_sentence(failed)}{reason}"
    )


def _passed_text(proof: "Proof") -> str:
    compared = f"{exact(len(proof.rows))} comparisons"
    faults = f"all {exact(len(proof.controls))} planted faults were seen"
    others = f"; {len(applicable_identities(proof))} other identities hold" if applicable_identities(proof) else ""
    if not proof.blocks:
        number = f"{len(applicable_identities(proof))} identities hold in `{proof.variant}`"
        return f"**Equal.** {number} up to rounding ({compared}), and {faults}."
    paths = "/".join(map(str, sorted(set(proof.blocks.values()))))
    return (
        f"**Equal.** In all {len(proof.blocks)} blocks of `{proof.variant}` ({paths} paths each) the forms have "
        f"the same output, gradients and running statistics up to rounding{others} "
        f"({compared}), and {faults}."
    )


def _worst_sentence(failed: "Sequence[TensorComparison]") -> str:
    if not failed:
        return ""
    row = worst_row(failed)
    part = f"block {row.block}" if row.block else "the whole network"
    case = f"{row.identity}, {row.dtype}, {row.mode}"
    return f" Worst is the {row.what} ({row.where}) of {part}, {case}: {error_and_bound(row)}."


def cost_table(proof: "Proof", draw: TableWriter = padded_table) -> str:
    """Parameters and MACs of the network in each form; convolutions' biases apart where there are any."""
    biased = any(cost.biases for cost in proof.costs)
    heads = ["form (Xie et al. 2017, Figure 3)", "parameters", *(["of them biases"] if biased else []), "MACs", "ops"]
    rows = [
        [
            f"({cost.form}) {cost.title}",
            exact(cost.params),
            *([exact(cost.biases)] if biased else []),
            exact(cost.macs),
            exact(cost.num_ops),
        ]
        for cost in proof.costs
    ]
    return draw(heads, rows, f"l{'r' * (len(heads) - 1)}")


def summary_table(proof: "Proof", draw: TableWriter = padded_table) -> str:
    """One line for each identity, dtype and mode: the worst errors over the blocks, with their bounds."""
    lines: dict[tuple[str, str, str, str], list[TensorComparison]] = {}
    for row in form_rows(proof):
        part = "every block" if row.block else "whole network"
        lines.setdefault((row.identity, part, row.dtype, row.mode), []).append(row)
    heads = ["identity", "where", "dtype", "mode", *_GROUPS, ""]
    cells = [
        [*line, *(_worst_cell(rows, whats) for whats in _GROUPS.values()), pass_mark(rows)]
        for line, rows in lines.items()
    ]
    return draw(heads, cells, "llllrrrl")


def form_rows(proof: "Proof") -> "list[TensorComparison]":
    """The comparisons of the three forms, without those of the other identities."""
    others = {item.name for item in proof.identities}
    return [row for row in proof.rows if row.identity not in others]


def fault_table(proof: "Proof", draw: TableWriter = padded_table) -> str:
    """One line for each fault and form: how often it was seen, and the nearest it came to escaping."""
    others = {item.name for item in proof.identities}
    lines: dict[tuple[str, str], list[FaultControl]] = {}
    for control in proof.controls:
        if control.identity not in others:
            lines.setdefault((control.fault, control.identity), []).append(control)
    heads = ["fault", "breaks", "seen", "smallest difference", "bound", "in"]
    return draw(heads, [_fault_cells(*line, controls) for line, controls in lines.items()], "llrrrl")


def _fault_cells(fault: str, identity: str, controls: "list[FaultControl]") -> list[str]:
    nearest = min(controls, key=lambda control: control.max_rel / control.tolerance)
    num_detected = sum(control.detected for control in controls)
    where = f"`{nearest.block}`, {nearest.dtype}"
    return [
        fault,
        identity,
        f"{num_detected} of {len(controls)}",
        f"{nearest.max_rel:.2g}",
        error_text(nearest.tolerance),
        where,
    ]


def block_table(proof: "Proof") -> str:
    """One line for each block and dtype, the worst over both modes."""
    lines: dict[tuple[str, str], list[TensorComparison]] = {}
    for row in form_rows(proof):
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


def _block_cells(proof: "Proof", path: str, dtype: str, rows: "list[TensorComparison]") -> list[str]:
    errors = [
        _worst_cell([row for row in rows if row.identity == identity], whats)
        for identity in _identities(proof)
        for whats in (("output",), _GRADIENTS)
    ]
    return [f"`{path}`", dtype, *errors, pass_mark(rows)]


def _identities(proof: "Proof") -> list[str]:
    return list(dict.fromkeys(row.identity for row in form_rows(proof)))


def _worst_cell(rows: "Iterable[TensorComparison]", whats: Sequence[str]) -> str:
    compared = [row for row in rows if row.what in whats]
    return error_and_bound(worst_row(compared)) if compared else ""


def conditions_sentence(proof: "Proof") -> str:
    """What the proof was run on, in one sentence."""
    conditions = proof.conditions
    crossed = sum(row.crossed for row in form_rows(proof) if row.what == "output")
    sizes = {f"{batch}×C×{side}×{side}" for batch, side in conditions["block_inputs"].values()}
    sentences = [
        f"Seed {conditions['seed']}; each block with its own random weights and batch norm statistics, "
        f"inputs {' and '.join(sorted(sizes))}",
        _whole_network_words(proof),
        f"at {exact(crossed)} of the ReLUs' inputs rounding crossed zero, where no gradient exists, and the forms "
        "take one side"
        if crossed
        else "",
        f"torch {conditions['torch']} on the CPU, {conditions['threads']} thread{'s' * (conditions['threads'] > 1)}",
    ]
    return "; ".join(filter(None, sentences)) + "."


def _whole_network_words(proof: "Proof") -> str:
    conditions = proof.conditions
    if any(not row.block for row in proof.rows):
        return f"the whole network at {shape((conditions['network_batch_size'], *conditions['network_input_shape']))}"
    return ""


def block_verdict(check: "BlockCheck") -> str:
    """The result in a sentence or two."""
    failed = [row for row in check.rows if not row.passed]
    path = f"`{check.rows[0].block}`"
    if not check.fault and not failed:
        return f"**Equal.** The forms of {path} differ by rounding alone in all {len(check.rows)} comparisons."
    if not check.fault:
        return f"**Not equal.** {len(failed)} of {len(check.rows)} comparisons of {path} are over their bound."
    worst = max(failed, key=lambda row: row.max_rel / (row.tolerance or 1.0), default=None)
    if worst is None:
        return f"**Not seen.** A {check.fault} was planted in {path}, and every comparison is within its bound."
    times = worst.max_rel / (worst.tolerance or 1.0)
    return (
        f"**Not equal, and seen.** With a {check.fault} planted, {len(failed)} of {len(check.rows)} comparisons of "
        f"{path} are over their bound, the {worst.what} by {times:.1e} times."
    )


def block_rows_table(check: "BlockCheck") -> str:
    """One line a tensor compared, the forms beside each other."""
    identities = list(dict.fromkeys(row.identity for row in check.rows))
    whats = list(dict.fromkeys(row.what for row in check.rows))
    comparisons = {(row.identity, row.what): row for row in check.rows}
    rows = [
        [
            what,
            *(
                f"{error_and_bound(comparisons[name, what])} {'✓' if comparisons[name, what].passed else '✗'}"
                for name in identities
            ),
        ]
        for what in whats
    ]
    return padded_table(["worst error and its bound", *identities], rows, "l" + "r" * len(identities))
