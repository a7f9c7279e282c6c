"""The program that a page starts to prove equivalences: one JSON object a line, progress first, then the result.

`block VARIANT PATH DTYPE MODE FAULT` compares the three forms of one block; `network VARIANT` proves a whole network.
"""

import sys

from analyzer.api import check_equivalence
from analyzer.errors import InvalidInput, Unavailable
from analyzer.extras import extra_imports
from analyzer.pages.jobs.messages import print_message
from analyzer.render.equivalence import equivalence


def main(subject: str, *arguments: str) -> int:
    """Prove a "block" or a "network" with these arguments; the exit status, 2 for a `problem` that was printed."""
    try:
        return prove_block(*arguments) if subject == "block" else prove_network(*arguments)
    except (InvalidInput, Unavailable) as error:
        print_message(problem=str(error))
        return 2


def prove_block(variant: str, path: str, dtype: str, mode: str, fault: str) -> int:
    """Compare a block's forms; prints {"words", "share"} and then {"passed", "rows", "spreads", …}; 0."""
    print_message(words="Step 1 of 2: loading torch", share=0)
    with extra_imports("live"):
        from analyzer.live.equivalence.equivalence import BINS_A_DECADE, check_block
    print_message(words="Step 2 of 2: forward and back through three forms", share=0.5)
    check = check_block(variant, path, dtype=dtype, mode=mode, fault=fault)
    print_message(
        passed=check.passed,
        verdict=equivalence.block_verdict(check),
        table=equivalence.block_rows_table(check),
        rows=[row.to_dict() for row in check.rows],
        spreads=[
            {"identity": spread.identity, "what": spread.what, "equal": spread.equal, "bins": list(spread.bins.items())}
            for spread in check.spreads
        ],
        bin_width=1 / BINS_A_DECADE,
    )
    return 0


def prove_network(variant: str) -> int:
    """Prove a variant; prints {"words", "share"} for each block, then {"proof", …}; 0 where it passed, else 1."""
    proof = check_equivalence(variant, progress=_print_progress)
    print_message(
        proof=proof.to_dict(),
        verdict=equivalence.proof_verdict(proof),
        costs=equivalence.cost_table(proof),
        errors=equivalence.summary_table(proof),
        faults=equivalence.fault_table(proof),
        blocks=equivalence.block_table(proof),
        identities=equivalence.identity_table(proof),
        identity_words=equivalence.identity_paragraphs(proof),
        elsewhere=equivalence.inapplicable_identities(proof),
        report=equivalence.markdown_proof(proof),
    )
    return 0 if proof.passed else 1


def _print_progress(done: int, total: int, path: str) -> None:
    words = "The other identities" if done > total else f"Block {done} of {total}, {path}"
    print_message(words=words, share=max(done - 1, 0) / max(total, 1))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
