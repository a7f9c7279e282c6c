"""`python -m analyzer`, and the command `analyzer`."""

import gc
import sys

from analyzer.cli import main


def run() -> int:
    """The command line in a process of its own; the exit status."""
    gc.set_threshold(100_000)  # a verb makes many small values that live to its end; looking for cycles costs 7 %
    return main()


if __name__ == "__main__":
    sys.exit(run())
