"""Weights in and out: a file is read whole, checked whole against the network, and only then loaded."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from analyzer.errors import InvalidInput, shortened
from analyzer.families.network import Network
from analyzer.files import write_whole
from analyzer.live.network.build import build
from analyzer.live.verify.checks import Check
from analyzer.live.weights.file_formats import read_weights
from analyzer.live.weights.name_maps import classifier_path, translate_weights

CLASSIFIERS = ("match", "drop", "keep")
"""match: as many classes as the network; drop: the network's own stays; keep: the network takes the file's."""

MAX_LISTED = 12
"""Names of each kind that a sentence lists; the lists on the exception are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedWeights:
    """The weights loaded from a file, by the network's names, with notes for the user.

    `missing`, `unexpected` and `misshapen` are empty unless the file was allowed to be incomplete.
    """

    path: str
    names: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    notes: tuple[str, ...]


class WeightsMismatch(InvalidInput):
    """A file that does not fit the network; `missing`, `unexpected` and `misshapen` list every name."""

    def __init__(self, sentence: str, match: "_WeightsMatch") -> None:
        super().__init__(sentence)
        self.missing, self.unexpected, self.misshapen = match.missing, match.unexpected, match.misshapen


@dataclass(frozen=True, slots=True, kw_only=True)
class _WeightsMatch:
    """A file's tensors that fit, and every name that does not."""

    fitting: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return not (self.missing or self.unexpected or self.misshapen)


def load_weights(net: nn.Module, path: str | Path, *, classifier: str = "match", strict: bool = True) -> LoadedWeights:
    """Load the weights of a `.pth`, `.pt`, `.safetensors`, `.npz`, `.h5` or `.keras` file into a built network.

    Names and layouts of torchvision, timm, Keras and TF-Slim are understood, checkpoints unwrapped, and types cast to
    the network's. With `strict` every tensor must be there, and no other; without it, what fits is taken. `classifier`
    is match, drop (keep the network's own) or keep (give the network the file's number of classes). Raises
    InvalidInput, and then leaves the network unchanged; WeightsMismatch, which is one, lists every name.
    """
    if classifier not in CLASSIFIERS:
        raise InvalidInput(f"classifier {shortened(classifier)!r}: must be {', '.join(CLASSIFIERS)}.")
    own = net.state_dict()
    file = read_weights(Path(path), sum(tensor.numel() * tensor.element_size() for tensor in own.values()))
    tensors, notes = translate_weights(file.tensors, file.naming, net)
    head = classifier_path(net)
    if classifier == "drop":
        tensors = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] not in _heads(head)}
    expected = _resized_classifier(own, tensors, head) if classifier == "keep" else own
    match = _match_weights(expected, tensors, head if classifier == "drop" else "")
    if strict and not match.whole:
        raise WeightsMismatch(_sentence(path, match, head), match)
    if not match.fitting:
        raise InvalidInput(f"weights {shortened(path, 200)}: none of its {len(tensors)} tensors fits the network.")
    if any(own[name].is_meta for name in match.missing):
        raise WeightsMismatch(_sentence(path, match, head), match)
    _load(net, own, match.fitting, head)
    return LoadedWeights(
        path=str(path),
        names=tuple(match.fitting),
        missing=match.missing,
        unexpected=match.unexpected,
        misshapen=match.misshapen,
        notes=notes,
    )


def _heads(head: str) -> tuple[str, ...]:
    """Paths that a classifier may have in a file: the network's own, or any where it has none."""
    return (head,) if head else ("fc", "classifier", "classifier.6", "head.fc")


def _resized_classifier(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """The network's tensors with a classifier of as many classes as the file's."""
    weight, bias = (tensors.get(f"{head}.{leaf}") for leaf in ("weight", "bias"))
    if weight is None or bias is None or bias.shape != weight.shape[:1] or weight.ndim != 2:
        return dict(own)
    own_weight = own[f"{head}.weight"]
    resized = {
        f"{head}.weight": own_weight.new_empty(len(bias), own_weight.shape[1]),
        f"{head}.bias": own_weight.new_empty(len(bias)),
    }
    return {**own, **resized}


def _match_weights(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], ignored: str) -> _WeightsMatch:
    fitting = {name: tensor for name, tensor in tensors.items() if name in own and _fits(tensor, own[name])}
    needed = [name for name in own if name.rpartition(".")[0] != ignored and not name.endswith(".num_batches_tracked")]
    return _WeightsMatch(
        fitting=fitting,
        missing=tuple(name for name in needed if name not in tensors),
        unexpected=tuple(name for name in tensors if name not in own),
        misshapen=tuple(
            f"{name} {_shape(tensors[name])} for {_shape(tensor)}"
            for name, tensor in own.items()
            if name in tensors and name not in fitting
        ),
    )


def _fits(tensor: Tensor, own: Tensor) -> bool:
    plain = tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized)
    return plain and tensor.shape == own.shape and tensor.is_floating_point() == own.is_floating_point()


def _shape(tensor: Tensor) -> str:
    kinds = [str(tensor.dtype)] if not tensor.is_floating_point() else []
    kinds += [str(tensor.layout)] if tensor.layout != torch.strided else ["meta"] if tensor.is_meta else []
    suffix = "".join(f" {kind.removeprefix('torch.')}" for kind in kinds)
    return f"({', '.join(map(str, tensor.shape))}){suffix}"


def _sentence(path: str | Path, match: _WeightsMatch, head: str) -> str:
    parts = [
        f"{len(names)} {problem} ({_shown_names(names)})"
        for problem, names in (
            ("missing", match.missing),
            ("unexpected", match.unexpected),
            ("misshapen", match.misshapen),
        )
        if names
    ]
    names = [item.partition(" ")[0] for item in (*match.missing, *match.unexpected, *match.misshapen)]
    only_head = all(name.rpartition(".")[0] in _heads(head) for name in names)
    hint = "; the file's classifier can be dropped or kept (classifier=drop or keep)" if only_head else ""
    return f"weights {shortened(path, 200)}: do not fit the network: {', '.join(parts)}{hint}; nothing was loaded."


def _shown_names(names: tuple[str, ...]) -> str:
    shown = ", ".join(shortened(name, 100) for name in names[:MAX_LISTED])
    return f"{shown}, and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else shown


def _load(net: nn.Module, own: Mapping[str, Tensor], fitting: Mapping[str, Tensor], head: str) -> None:
    """Load tensors that are known to fit, which cannot fail; a network on `meta` takes those of the CPU."""
    on_meta = any(tensor.is_meta for tensor in own.values())
    ready = {
        name: tensor.to(device="cpu" if on_meta else own[name].device, dtype=own[name].dtype, copy=True)
        for name, tensor in fitting.items()
    }
    if head and f"{head}.weight" in ready and ready[f"{head}.weight"].shape != own[f"{head}.weight"].shape:
        _resize(net.get_submodule(head), ready[f"{head}.weight"])
    if on_meta:
        counters = {name: torch.zeros((), dtype=tensor.dtype) for name, tensor in own.items() if not tensor.ndim}
        ready = counters | ready
    net.load_state_dict(ready, strict=False, assign=on_meta)


def _resize(classifier: nn.Module, weight: Tensor) -> None:
    if isinstance(classifier, nn.Linear):
        classifier.out_features = len(weight)
        classifier.weight = nn.Parameter(torch.empty_like(weight))
        classifier.bias = nn.Parameter(weight.new_empty(len(weight)))


def save_weights(net: nn.Module, path: str | Path) -> None:
    """Write parameters and buffers as `.safetensors`, or as a `.pth` or `.pt` state_dict, whole or not at all.

    Raises InvalidInput for another ending, for a network on `meta`, or where the file cannot be written.
    """
    target = Path(path)
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items() if not tensor.is_meta
    }
    if len(state) < len(net.state_dict()):
        raise InvalidInput("weights: a network on meta has none to save.")
    match target.suffix.lower():
        case ".safetensors":
            from safetensors.torch import save

            write_whole(target, save(state, metadata={"format": "pt"}))
        case ".pth" | ".pt":
            content = io.BytesIO()
            torch.save(state, content)
            write_whole(target, content.getvalue())
        case _:
            raise InvalidInput(f"weights {shortened(path, 200)}: the name must end in .safetensors, .pth, .pt.")


def weights_check(network: Network, path: Path) -> Check:
    """How many tensors the network needs and the file gave; InvalidInput where they do not fit, with every name."""
    net = build(network, device="meta")
    loaded = load_weights(net, path)
    needed = [name for name in net.state_dict() if not name.endswith(".num_batches_tracked")]
    loaded_names = [name for name in loaded.names if not name.endswith(".num_batches_tracked")]
    return Check(
        oracle="weights file",
        tool=shortened(path.name, 40),
        quantity="tensors, by name and shape",
        ours=len(needed),
        theirs=len(loaded_names),
        difference=len(needed) - len(loaded_names),
        passed=len(needed) == len(loaded_names),
        note="; ".join(loaded.notes),
    )
