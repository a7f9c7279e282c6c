"""What a program that a page starts writes to the page."""

import json
import sys


def print_message(**facts: object) -> None:
    """Print one JSON object on a line of its own, at once; `jobs.py` says which the page expects."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
