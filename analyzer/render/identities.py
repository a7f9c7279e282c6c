"""The other identities of a network as text: errors, bounds, formulas and why, and which have no place."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from analyzer.render.tables import padded_table, terminal_table

if TYPE_CHECKING:
    from analyzer.live.proof import Comparison, Control, Identity, Proof

Draw = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
"""What makes a table of heads, rows and sides."""


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table for the terminal, of cells that were written for markdown."""
    return terminal_table(heads, [[plain(cell) for cell in row] for row in rows], align)


def plain(text: str) -> str:
    """Text without markdown's marks."""
    return text.replace("**", "").replace("`", "")


def identity_table(proof: "Proof", draw: Draw = padded_table) -> str:
    """One line for each identity that the network has a place for: places, worst errors in each dtype, faults seen."""
    dtypes = list(dict.fromkeys(row.dtype for item in here(proof) for row in rows_of(proof, item)))
    heads = ["identity", "shown on", *dtypes, "faults seen", ""]
    cells = [_cells(proof, item, dtypes) for item in here(proof)]
    return draw(heads, cells, f"ll{'r' * len(dtypes)}ll")


def identity_words(proof: "Proof") -> str:
    """A paragraph for each identity that was proved: what it says, its formula, why, and what was found here."""
    return "\n\n".join(_paragraph(item) for item in here(proof))


def identity_lines(proof: "Proof") -> str:
    """Name, formula and why of each identity that was proved, for the terminal."""
    return "\n".join(
        "\n    ".join(filter(None, (f"{item.name}:  {item.formula}", item.why, item.found))) for item in here(proof)
    )


def elsewhere_words(proof: "Proof") -> str:
    """A line for each identity that the network has no place for, with the reason; "" where it has all."""
    return "\n".join(f"- {item.name}: {item.reason}" for item in proof.identities if item.reason)


def here(proof: "Proof") -> "list[Identity]":
    """The identities that the network has a place for."""
    return [item for item in proof.identities if not item.reason]


def rows_of(proof: "Proof", item: "Identity") -> "list[Comparison]":
    """The comparisons of one identity."""
    return [row for row in proof.rows if row.identity == item.name]


def _paragraph(item: "Identity") -> str:
    found = f" Here: {item.found}." if item.found else ""
    return f"**{item.title}** `{item.formula}`. {item.why}{found}"


def _cells(proof: "Proof", item: "Identity", dtypes: Sequence[str]) -> list[str]:
    rows = rows_of(proof, item)
    controls = [control for control in proof.controls if control.identity == item.name]
    errors = [against(worst([row for row in rows if row.dtype == dtype])) for dtype in dtypes]
    return [item.name, _places(rows), *errors, _seen(controls), mark(rows)]


def _places(rows: "Sequence[Comparison]") -> str:
    paths = list(dict.fromkeys(row.block for row in rows))
    if paths == [""]:
        return "the whole network"
    return f"`{paths[0]}`" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def _seen(controls: "Sequence[Control]") -> str:
    if not controls:
        return ""
    faults = ", ".join(dict.fromkeys(control.fault for control in controls))
    return f"{sum(control.detected for control in controls)} of {len(controls)}: {faults}"


def worst(rows: "Iterable[Comparison]") -> "Comparison":
    """The row that comes nearest to its bound, or goes farthest beyond."""
    return max(rows, key=lambda row: (not row.passed, row.max_rel / (row.tolerance or 1)))


def against(row: "Comparison") -> str:
    """An error and its bound: "3.1e-07 ≤ 4.3e-05"; an error that is not judged stands alone."""
    if row.tolerance is None:
        return f"{number(row.max_rel)}, not judged"
    return f"{number(row.max_rel)} {'≤' if row.passed else '>'} {number(row.tolerance)}"


def number(value: float) -> str:
    """An error with two digits; "0" means bit for bit."""
    return f"{value:.1e}" if value else "0"


def mark(rows: "Iterable[Comparison]") -> str:
    """Whether all rows agree, in a word."""
    judged = list(rows)
    if all(row.tolerance is None for row in judged):
        return ""
    return "equal" if all(row.passed for row in judged) else "**differs**"
