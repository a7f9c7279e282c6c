"""Short pauses: what was imported is not searched for garbage again and again, and threads wait for each other less."""

import gc
import sys

SWITCH_SECONDS = 0.001
"""How long a thread computes while another wants its turn, Python's own being 5 ms: a drawing, which is handed over in
pieces, and every message to a browser would wait for that long several times."""

_SEEN = [0]


def settle() -> None:
    """Set everything aside that is alive, where modules have been imported since last time.

    Half a million objects of the libraries make a full collection stop every visitor's answer for 0.1 s; what a
    session leaves behind is collected as before.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    if len(sys.modules) > _SEEN[0]:
        _SEEN[0] = len(sys.modules)
        gc.collect()
        gc.freeze()
