"""Other libraries' names and layouts of weights, turned into ours, which are torchvision's.

Each naming scheme is a list of (pattern, our name); a name that none matches stays and is reported as unexpected.
Keras and TensorFlow keep a convolution as (height, width, in, out) and a linear layer as (in, out).
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from analyzer.errors import InvalidInput, shortened

EPSILON = 1e-5
KERAS_EPSILON = 1.001e-5
"""What Keras's ResNets and DenseNets add to a variance."""

RenameRules = tuple[tuple[str, str], ...]

_TORCH: RenameRules = (
    # torchvision's first DenseNets; its own loader renames them, too
    (r"(.*\.denselayer\d+)\.(norm|conv)\.([12])\.(.*)", r"\1.\2\3.\4"),
    # timm's pre-activation ResNets
    (r"stem\.conv\.(.*)", r"conv1.\1"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.norm(\d)\.(.*)", r"layer{\1+1}.\2.bn\3.\4"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.conv(\d)\.(.*)", r"layer{\1+1}.\2.conv\3.\4"),
    (r"stages\.(\d+)\.blocks\.(\d+)\.downsample\.conv\.(.*)", r"layer{\1+1}.\2.downsample.0.\3"),
    # timm's VGG, whose classifier is made of convolutions
    (r"pre_logits\.fc1\.(.*)", r"classifier.0.\1"),
    (r"pre_logits\.fc2\.(.*)", r"classifier.3.\1"),
    (r"head\.fc\.(.*)", r"{classifier}.\1"),
)

_TIMM_REGNET: RenameRules = (
    (r"stem\.conv\.(.*)", r"stem.0.\1"),
    (r"stem\.bn\.(.*)", r"stem.1.\1"),
    *(
        (rf"s(\d+)\.b(\d+)\.{theirs}\.{part}\.(.*)", rf"trunk_output.block\1.block\1-{{\2-1}}.{ours}.{place}.\3")
        for theirs, ours in (("conv1", "f.a"), ("conv2", "f.b"), ("conv3", "f.c"), ("downsample", "proj"))
        for place, part in enumerate(("conv", "bn"))
    ),
    (r"s(\d+)\.b(\d+)\.se\.(.*)", r"trunk_output.block\1.block\1-{\2-1}.f.se.\3"),
    (r"head\.fc\.(.*)", r"{classifier}.\1"),
)

_KERAS: RenameRules = (
    (r"predictions/(.*)", r"{classifier}/\1"),
    (r"conv(\d)_block(\d+)_0_conv/(.*)", r"layer{\1-1}.{\2-1}.downsample.0/\3"),
    (r"conv(\d)_block(\d+)_0_bn/(.*)", r"layer{\1-1}.{\2-1}.downsample.1/\3"),
    (r"conv(\d)_block(\d+)_(\d)_(conv|bn)/(.*)", r"layer{\1-1}.{\2-1}.\4\3/\5"),
    (r"conv1_(conv|bn)/(.*)", r"\g<1>1/\2"),
)

_KERAS_DENSE: RenameRules = (
    (r"predictions/(.*)", r"{classifier}/\1"),
    (r"conv(\d)_block(\d+)_0_bn/(.*)", r"features.denseblock{\1-1}.denselayer\2.norm1/\3"),
    (r"conv(\d)_block(\d+)_1_bn/(.*)", r"features.denseblock{\1-1}.denselayer\2.norm2/\3"),
    (r"conv(\d)_block(\d+)_([12])_conv/(.*)", r"features.denseblock{\1-1}.denselayer\2.conv\3/\4"),
    (r"pool(\d)_bn/(.*)", r"features.transition{\1-1}.norm/\2"),
    (r"pool(\d)_conv/(.*)", r"features.transition{\1-1}.conv/\2"),
    (r"conv1_conv/(.*)", r"features.conv0/\1"),
    (r"conv1_bn/(.*)", r"features.norm0/\1"),
    (r"bn/(.*)", r"features.norm5/\1"),
)

_SLIM: RenameRules = (
    (r"resnet_v1_\d+/conv1/BatchNorm/(.*)", r"bn1/\1"),
    (r"resnet_v1_\d+/conv1/(.*)", r"conv1/\1"),
    (r"resnet_v1_\d+/logits/(.*)", r"{classifier}/\1"),
    (
        r"resnet_v1_\d+/block(\d+)/unit_(\d+)/bottleneck_v1/shortcut/BatchNorm/(.*)",
        r"layer\1.{\2-1}.downsample.1/\3",
    ),
    (r"resnet_v1_\d+/block(\d+)/unit_(\d+)/bottleneck_v1/shortcut/(.*)", r"layer\1.{\2-1}.downsample.0/\3"),
    (r"resnet_v1_\d+/block(\d+)/unit_(\d+)/bottleneck_v1/conv(\d)/BatchNorm/(.*)", r"layer\1.{\2-1}.bn\3/\4"),
    (r"resnet_v1_\d+/block(\d+)/unit_(\d+)/bottleneck_v1/conv(\d)/(.*)", r"layer\1.{\2-1}.conv\3/\4"),
)

_SLIM_IGNORED = re.compile(r"global_step$|.*mean_rgb$|.*/(Momentum|Adam(_\d)?|RMSProp(_\d)?|ExponentialMovingAverage)$")
"""What TF-Slim's checkpoints hold besides weights."""

_LEAVES = {
    "kernel": "weight",
    "weights": "weight",
    "bias": "bias",
    "biases": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""TensorFlow's name → torch's."""


def translate_weights(
    tensors: Mapping[str, Tensor], naming: str, net: nn.Module
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Tensors by our names and in our layout, and notes for the user; InvalidInput where two names become one.

    `naming` is "keras" where the format says so; else it follows from the names.
    """
    classifier = classifier_path(net)
    if naming == "keras":
        return _from_keras(tensors, net, classifier)
    if any(name.startswith("resnet_v1_") for name in tensors):
        weights = {name: tensor for name, tensor in tensors.items() if not _SLIM_IGNORED.match(name)}
        return _from_tensorflow(weights, _SLIM, classifier), (_SLIM_NOTE,)
    stripped = {re.sub(r"^(module\.|_orig_mod\.)+", "", name): tensor for name, tensor in tensors.items()}
    if len(stripped) < len(tensors):
        raise InvalidInput("weights: two names differ only by the prefix module.")
    known = set(net.state_dict())
    rules = _TIMM_REGNET if any(name.startswith("trunk_output.") for name in known) else _TORCH
    stripped = _rename_all(stripped, rules, classifier, known)
    return {name: _like_linear(name, tensor, net) for name, tensor in stripped.items()}, ()


_SLIM_NOTE = (
    "TF-Slim's ResNets stride in the last block of a stage and pad the stem's pool on one side, so the same weights "
    "are another function here; they are a start for fine-tuning"
)


def classifier_path(net: nn.Module) -> str:
    """Path of the network's last linear layer; "" where it has none."""
    return next((path for path, child in reversed(list(net.named_modules())) if isinstance(child, nn.Linear)), "")


def _from_keras(
    tensors: Mapping[str, Tensor], net: nn.Module, classifier: str
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    dense = any(name.startswith("pool2_") for name in tensors)
    renamed = _from_tensorflow(tensors, _KERAS_DENSE if dense else _KERAS, classifier)
    for name in renamed:
        if name.endswith(".running_var"):
            renamed[name] = renamed[name] + (KERAS_EPSILON - EPSILON)
    notes = [
        f"Keras adds {KERAS_EPSILON} to a variance and torch {EPSILON}; the variances were moved by the difference"
    ]
    notes += _biases_into_means(renamed, net)
    if not dense and _stride(net, "layer2.0.conv1") == 1:
        notes.append("Keras's ResNets stride on the 1×1 (resnet50_v1), and this network on the 3×3: another function")
    return renamed, tuple(notes)


def _stride(net: nn.Module, path: str) -> int:
    child = dict(net.named_modules()).get(path)
    return child.stride[0] if isinstance(child, nn.Conv2d) else 0


def _biases_into_means(tensors: dict[str, Tensor], net: nn.Module) -> list[str]:
    """Take biases that the network's convolutions lack into the means of the batch norms behind them, μ′ = μ − b."""
    known, num_moved = set(net.state_dict()), 0
    for name in [name for name in tensors if name.endswith(".bias") and name not in known]:
        mean = _norm_after(name.removesuffix(".bias")) + ".running_mean"
        if mean in tensors and tensors[mean].shape == tensors[name].shape:
            tensors[mean] = tensors[mean] - tensors.pop(name)
            num_moved += 1
    return [f"{num_moved} biases before batch norm were taken into its means"] if num_moved else []


def _norm_after(conv: str) -> str:
    if conv.endswith("downsample.0"):
        return f"{conv[:-1]}1"
    return re.sub(r"conv(\d)$", r"bn\1", conv)


def _from_tensorflow(tensors: Mapping[str, Tensor], rules: RenameRules, classifier: str) -> dict[str, Tensor]:
    renamed = _rename_all(tensors, rules, classifier, set())
    converted: dict[str, Tensor] = {}
    for name, tensor in renamed.items():
        path, _, leaf = name.rpartition("/")
        ours = f"{path}.{_LEAVES[leaf]}" if leaf in _LEAVES and "/" not in path else name
        converted[ours] = _transpose(tensor, path == classifier)
    return converted


def _transpose(tensor: Tensor, linear: bool) -> Tensor:
    """(height, width, in, out) to (out, in, height, width), and (in, out) to (out, in)."""
    if linear and tensor.ndim == 4 and tensor.shape[:2] == (1, 1):
        tensor = tensor[0, 0]
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous()
    return tensor.t().contiguous() if tensor.ndim == 2 else tensor


def _rename_all(
    tensors: Mapping[str, Tensor], rules: RenameRules, classifier: str, known: set[str]
) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        ours = name if name in known else _rename(name, rules, classifier)
        if ours in renamed:
            raise InvalidInput(f"weights: two names become {shortened(ours)}, one of them {shortened(name)}.")
        renamed[ours] = tensor
    return renamed


def _rename(name: str, rules: RenameRules, classifier: str) -> str:
    """A name by the first rule that fits it whole: groups filled in, then {sums} worked out."""
    for pattern, ours in rules:
        match = re.fullmatch(pattern, name)
        if match:
            filled = match.expand(ours.replace("{classifier}", classifier))
            return re.sub(r"\{(\d+)([+-]1)\}", lambda sum_match: str(int(sum_match[1]) + int(sum_match[2])), filled)
    return name


def _like_linear(name: str, tensor: Tensor, net: nn.Module) -> Tensor:
    """A linear layer's weight that a file keeps as a convolution's, flattened where that fits."""
    path, _, leaf = name.rpartition(".")
    child = dict(net.named_modules()).get(path) if tensor.ndim == 4 and leaf == "weight" else None
    is_flattened_linear = isinstance(child, nn.Linear) and tensor[0].numel() == child.in_features
    return tensor.flatten(1) if is_flattened_linear else tensor
