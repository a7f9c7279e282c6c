"""Short pauses: what was imported is not searched for garbage again and again."""

import gc
import sys

_SEEN = [0]


def settle() -> None:
    """Set everything aside that is alive, where modules have been imported since last time.

    Half a million objects of the libraries make a full collection stop every visitor's answer for 0.1 s; what a
    session leaves behind is collected as before.
    """
    if len(sys.modules) > _SEEN[0]:
        _SEEN[0] = len(sys.modules)
        gc.collect()
        gc.freeze()
