"""What is installed on request only: the extras, and the one sentence for a package that is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from analyzer.errors import Unavailable

_LIVE = ("torch", "torchvision", "fvcore", "safetensors", "h5py")
_PICTURE = ("altair", "vl_convert")
_SWEEP = (*_PICTURE, "numpy", "pandas", "pyarrow")
EXTRAS: dict[str, tuple[str, ...]] = {
    "page": ("streamlit", "altair", "numpy", "pandas"),
    "picture": _PICTURE,
    "sweep": _SWEEP,
    "cluster": (*_SWEEP, "distributed"),
    "live": _LIVE,
    "onnx": (*_LIVE, "onnx", "onnxscript", "onnxruntime"),
}
"""Extra → the packages that it brings, by the names under which they are imported."""


@contextmanager
def extra_imports(extra: str) -> Iterator[None]:
    """Turn a missing package of an extra into Unavailable, one sentence that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRAS[extra]:
            raise
        raise _unavailable(missing, extra) from None


def require(extra: str, *packages: str) -> None:
    """Unavailable, as of `extra_imports`, where one of these packages of an extra is missing; none is imported."""
    for package in packages:
        if find_spec(package) is None:
            raise _unavailable(package, extra)


def _unavailable(package: str, extra: str) -> Unavailable:
    return Unavailable(
        f"This needs {package}, which is not installed; install resnet-analyzer[{extra}] "
        f'(in a clone: pip install -e ".[{extra}]").'
    )
