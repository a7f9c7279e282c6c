"""One block's check as text: the verdict and the worst error of each comparison against its bound."""

from typing import TYPE_CHECKING

from analyzer.render.identities import against
from analyzer.render.tables import padded_table

if TYPE_CHECKING:
    from analyzer.live.proof import BlockCheck


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
    found = {(row.identity, row.what): row for row in check.rows}
    rows = [
        [what, *(f"{against(found[name, what])} {'✓' if found[name, what].passed else '✗'}" for name in identities)]
        for what in whats
    ]
    return padded_table(["worst error and its bound", *identities], rows, "l" + "r" * len(identities))
