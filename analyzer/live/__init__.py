"""The live network: everything that needs torch, and the only folder that imports it."""

from collections.abc import Iterator
from contextlib import contextmanager

from analyzer.errors import Unavailable

EXTRA = ("torch", "torchvision", "fvcore", "safetensors", "h5py")
"""The packages of the extra `live`."""


@contextmanager
def live_imports() -> Iterator[None]:
    """Turn a missing package of the extra `live` into Unavailable, one sentence that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA:
            raise
        raise Unavailable(
            f"This needs {missing}, which is not installed; install resnet-analyzer[live] "
            '(in a clone: pip install -e ".[live]").'
        ) from None
