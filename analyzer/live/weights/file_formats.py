"""Weight files as tensors by name, whatever they are written in; nothing in a file is ever run.

`.pth`, `.pt`, `.bin` are read with torch's unpickler for weights only, which knows tensors and plain containers and no
other object; `.safetensors`, `.npz`, `.h5` and `.keras` hold no code to begin with, and Keras itself is not used.
"""

import io
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analyzer.errors import InvalidInput, shortened

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module")
"""Keys under which training scripts keep the weights in a checkpoint, beside an optimiser's and the epoch."""

MAX_UNPACKED = 64
"""Times the network's size that a file may have when it is unpacked: optimisers keep copies, zip bombs far more."""

MIN_UNPACKED = 2**28

Tensors = dict[str, Tensor]


class WeightsFile(NamedTuple):
    """A file's tensors by its own names, and the naming scheme where the format implies it: "" or "keras"."""

    tensors: Tensors
    naming: str = ""


def read_weights(path: Path, network_bytes: int) -> WeightsFile:
    """A weight file's tensors on the CPU; InvalidInput in one sentence where it is none, or much too large."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidInput(f"weights {_path_text(path)}: the name must end in {', '.join(_READERS)}.")
    try:
        limit = max(MAX_UNPACKED * network_bytes, MIN_UNPACKED)
        _check_size(path, limit)
        return reader(path, limit)
    except (InvalidInput, KeyboardInterrupt, ModuleNotFoundError):
        raise
    except OSError as error:
        reason = error.strerror or "it is damaged or of another format"
        raise InvalidInput(f"weights {_path_text(path)}: cannot be read ({reason}).") from None
    except pickle.UnpicklingError as error:
        raise InvalidInput(f"weights {_path_text(path)}: {_refusal(str(error))}.") from None
    except (RecursionError, MemoryError):
        raise InvalidInput(f"weights {_path_text(path)}: asks for more memory than there is.") from None
    except Exception as error:  # noqa: BLE001  # whatever a parser meets in a hostile file
        raise InvalidInput(
            f"weights {_path_text(path)}: is damaged or of another format ({type(error).__name__})."
        ) from None


def _path_text(path: Path) -> str:
    return shortened(path, 200)


def _refusal(message: str) -> str:
    """What torch's unpickler for weights only did not accept, in words."""
    match = re.search(r"GLOBAL ([\w.]+)", message)
    if match:
        return f"is not plain weights: it wants {shortened(match[1])} to be run, which is refused"
    return "is damaged, or not plain weights"


def _check_size(path: Path, limit: int) -> None:
    """Refuse an archive that would unpack to far more than the network has."""
    if path.is_file() and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            total = sum(item.file_size for item in archive.infolist())
        _require_size(path, total, limit)


def _require_size(path: Path, total: int, limit: int) -> None:
    if total > limit:
        raise InvalidInput(
            f"weights {_path_text(path)}: would unpack to {total} bytes, and for this network at most {limit} are read."
        )


def _torch(path: Path, _: int) -> WeightsFile:
    return WeightsFile(_unwrap(path, torch.load(path, map_location="cpu", weights_only=True)))


def _unwrap(path: Path, content: Any) -> Tensors:
    """The tensors of a state_dict, or of one inside a checkpoint under a known key."""
    if not isinstance(content, Mapping):
        raise InvalidInput(f"weights {_path_text(path)}: holds a {type(content).__name__} and not tensors by name.")
    inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), content)
    tensors = {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}
    not_tensors = [name for name, value in inner.items() if not isinstance(value, Tensor)]
    if not_tensors or not tensors:
        what = f"its {shortened(not_tensors[0])!r} is no tensor" if not_tensors else "it is empty"
        raise InvalidInput(
            f"weights {_path_text(path)}: holds no state_dict, neither by itself nor under {', '.join(WRAPPERS)}: "
            f"{what}."
        )
    return tensors


def _safetensors(path: Path, _: int) -> WeightsFile:
    from safetensors.torch import load_file

    return WeightsFile(load_file(path))


def _npz(path: Path, _: int) -> WeightsFile:
    import numpy

    with path.open("rb") as stream, numpy.load(stream, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return WeightsFile({name: _tensor(array) for name, array in arrays.items() if array.dtype.kind in "fiu"})


def _h5(path: Path, limit: int) -> WeightsFile:
    import h5py

    with h5py.File(path, "r") as file:
        return WeightsFile(_layers(path, file, limit), "keras")


def _keras(path: Path, limit: int) -> WeightsFile:
    import h5py

    with zipfile.ZipFile(path) as archive:
        content = archive.read("model.weights.h5")
    with h5py.File(io.BytesIO(content), "r") as file:
        return WeightsFile(_layers(path, file, limit), "keras")


_KERAS_LEAVES = {1: ("kernel",), 2: ("kernel", "bias"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}
"""Number of a layer's variables → what they are, in Keras 3's order, which names them by number only."""


def _layers(path: Path, file: Any, limit: int) -> Tensors:
    """Every variable by `layer/leaf`, in files of Keras 2 and 3, of whole models and of weights alone."""
    import h5py

    variables: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and "optimizer" not in name.split("/")[0]:
            if item.external or item.is_virtual:
                raise InvalidInput(
                    f"weights {_path_text(path)}: {shortened(name)} lies in another file, which is not read."
                )
            variables[_keras_name(name, item)] = item

    file.visititems(visit)
    if not variables:
        raise InvalidInput(f"weights {_path_text(path)}: holds no weights.")
    _require_size(path, sum(item.size * item.dtype.itemsize for item in variables.values()), limit)
    return {name: _tensor(item[()]) for name, item in variables.items()}


def _keras_name(name: str, item: Any) -> str:
    leaf = name.rsplit("/", 1)[-1].removesuffix(":0")
    if leaf.isdecimal():
        leaves = _KERAS_LEAVES.get(len(item.parent), ())
        leaf = leaves[int(leaf)] if int(leaf) < len(leaves) else leaf
    return f"{_layer_name(item.parent, name)}/{leaf}"


def _layer_name(group: Any, name: str) -> str:
    """Keras 3 writes a layer's own name beside its variables; Keras 2 names groups after layers."""
    own_name = group.attrs.get("name")
    return str(own_name) if own_name is not None else name.split("/")[-2]


def _tensor(array: Any) -> Tensor:
    native = array.astype(array.dtype.newbyteorder("="))  # torch knows no other byte order
    return torch.from_numpy(native) if native.ndim else torch.tensor(native.item())


_READERS: dict[str, Callable[[Path, int], WeightsFile]] = {
    ".pth": _torch,
    ".pt": _torch,
    ".bin": _torch,
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".h5": _h5,
    ".keras": _keras,
}
