"""The program that a page starts to compare one block's forms: one JSON object a line, progress, then the result."""

import json
import sys

from analyzer.errors import InvalidInput, Unavailable
from analyzer.extras import extra_imports
from analyzer.render.equivalence.equivalence import block_rows_table, block_verdict


def main(variant: str, path: str, dtype: str, mode: str, fault: str) -> int:
    """Compare a block's forms; prints {"words"} and then {"passed", "rows", "spreads", …} or {"problem"}."""
    try:
        _print_json(words="Step 1 of 2: loading torch", share=0)
        with extra_imports("live"):
            from analyzer.live.equivalence.equivalence import BINS_A_DECADE, check_block
        _print_json(words="Step 2 of 2: forward and back through three forms", share=0.5)
        check = check_block(variant, path, dtype=dtype, mode=mode, fault=fault)
    except (InvalidInput, Unavailable) as error:
        _print_json(problem=str(error))
        return 2
    _print_json(
        passed=check.passed,
        verdict=block_verdict(check),
        table=block_rows_table(check),
        rows=[row.to_dict() for row in check.rows],
        spreads=[
            {"identity": spread.identity, "what": spread.what, "equal": spread.equal, "bins": list(spread.bins.items())}
            for spread in check.spreads
        ],
        bin_width=1 / BINS_A_DECADE,
    )
    return 0


def _print_json(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
