"""The program that a page starts to prove an equivalence: one JSON object a line, progress first, then the result."""

import json
import sys

from analyzer.api import check_equivalence
from analyzer.errors import InvalidInput, Unavailable
from analyzer.render.equivalence import equivalence
from analyzer.render.equivalence import equivalence as identities


def main(variant: str) -> int:
    """Prove a variant; prints {"words", "share"} for each block, then {"proof", …} or {"problem"}."""
    try:
        proof = check_equivalence(variant, progress=_print_progress)
    except (InvalidInput, Unavailable) as error:
        _print_json(problem=str(error))
        return 2
    _print_json(
        proof=proof.to_dict(),
        verdict=equivalence.proof_verdict(proof),
        costs=equivalence.cost_table(proof),
        errors=equivalence.summary_table(proof),
        faults=equivalence.fault_table(proof),
        blocks=equivalence.block_table(proof),
        identities=identities.identity_table(proof),
        identity_words=identities.identity_paragraphs(proof),
        elsewhere=identities.inapplicable_identities(proof),
        report=equivalence.markdown_proof(proof),
    )
    return 0 if proof.passed else 1


def _print_progress(done: int, total: int, path: str) -> None:
    words = "The other identities" if done > total else f"Block {done} of {total}, {path}"
    _print_json(words=words, share=max(done - 1, 0) / max(total, 1))


def _print_json(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
