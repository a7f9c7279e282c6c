"""Weights of other libraries by name and layout: TF-Slim, Keras, timm and torchvision's first DenseNets."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import torch
from torch import Tensor, nn

import analyzer
from analyzer.live.weights.load import load_weights
from tests.live.test_weights import DENSE, TINY, same, state, trained

SLIM = {
    "conv1": "conv1",
    "block1/unit_1/bottleneck_v1/shortcut": "layer1.0.downsample.0",
    "block1/unit_1/bottleneck_v1/conv1": "layer1.0.conv1",
    "block1/unit_1/bottleneck_v1/conv2": "layer1.0.conv2",
    "block1/unit_1/bottleneck_v1/conv3": "layer1.0.conv3",
    "block1/unit_2/bottleneck_v1/conv1": "layer1.1.conv1",
    "block1/unit_2/bottleneck_v1/conv2": "layer1.1.conv2",
    "block1/unit_2/bottleneck_v1/conv3": "layer1.1.conv3",
    "block2/unit_1/bottleneck_v1/shortcut": "layer2.0.downsample.0",
    "block2/unit_1/bottleneck_v1/conv1": "layer2.0.conv1",
    "block2/unit_1/bottleneck_v1/conv2": "layer2.0.conv2",
    "block2/unit_1/bottleneck_v1/conv3": "layer2.0.conv3",
}
"""TF-Slim's scopes (nets/resnet_v1.py) and torchvision's paths of the tiny network's convolutions."""

SLIM_LEAVES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def norm_of(conv: str) -> str:
    return conv[:-1] + "1" if conv.endswith("downsample.0") else conv.replace("conv", "bn")


def slim(net: nn.Module) -> dict[str, Any]:
    """The network's weights as TF-Slim keeps them, with an optimiser's and the mean colour beside them."""
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    found: dict[str, Any] = {"global_step": numpy.int64(5), "resnet_v1_50/mean_rgb": numpy.zeros(3, "f4")}
    for scope, conv in SLIM.items():
        name = f"resnet_v1_50/{scope}/weights"
        found[name] = tensors[f"{conv}.weight"].transpose(2, 3, 1, 0)
        found[f"{name}/Momentum"] = numpy.zeros(1, "f4")
        for theirs, ours in SLIM_LEAVES.items():
            found[f"resnet_v1_50/{scope}/BatchNorm/{theirs}"] = tensors[f"{norm_of(conv)}.{ours}"]
    found["resnet_v1_50/logits/weights"] = tensors["fc.weight"].T[None, None]
    found["resnet_v1_50/logits/biases"] = tensors["fc.bias"]
    return found


def test_tf_slim_variables_fit(tmp_path: Path) -> None:
    """Published: names and layouts of TensorFlow's nets/resnet_v1.py; every number comes back in its place."""
    net = trained()
    numpy.savez(tmp_path / "slim.npz", **slim(net))
    again = analyzer.build(TINY)
    found = load_weights(again, tmp_path / "slim.npz")
    ours = {name: tensor for name, tensor in state(net).items() if "num_batches" not in name}
    assert same({name: again.state_dict()[name] for name in ours}, ours)
    assert "another function" in found.notes[0]


def test_keras_2_names_fit(tmp_path: Path) -> None:
    """Published: keras.applications' layer names in Keras 2's layout, `layer/layer/kernel:0`; biases join the means."""
    net = trained(f"{TINY},conv_bias=true,stride_on=1x1")
    with h5py.File(tmp_path / "net.h5", "w") as file:
        for name, tensor in net.state_dict().items():
            if "num_batches" not in name:
                file[keras_name(name)] = keras_layout(tensor.numpy())
    again = analyzer.build(f"{TINY},stride_on=1x1")
    found = load_weights(again, tmp_path / "net.h5")
    assert "12 biases before batch norm were taken into its means" in found.notes
    assert not any("another function" in note for note in found.notes)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theirs, ours = net.double().eval(), again.double().eval()
    for name, buffer in theirs.named_buffers():
        if name.endswith("running_var"):
            buffer += 1e-8
    with torch.no_grad():
        expected, outputs = theirs(images), ours(images)
    assert float((outputs - expected).abs().max() / expected.abs().max()) < 1e-6  # means are kept in float32
    v15 = load_weights(analyzer.build(TINY), tmp_path / "net.h5")
    assert any("another function" in note for note in v15.notes)


def keras_name(name: str) -> str:
    """keras.applications' name of one of the tiny ResNet's tensors, with its group twice."""
    path, _, leaf = name.rpartition(".")
    scopes = {conv: scope for scope, conv in SLIM.items()} | {norm_of(conv): scope for scope, conv in SLIM.items()}
    if path == "fc":
        return f"predictions/predictions/{'kernel' if leaf == 'weight' else 'bias'}:0"
    kind = "conv" if "conv" in path or path.endswith("downsample.0") else "bn"
    leaves = (
        {"weight": "kernel", "bias": "bias"} if kind == "conv" else {ours: word for word, ours in SLIM_LEAVES.items()}
    )
    layer = f"conv1_{kind}"
    if "/" in scopes[path]:
        block, unit, _, place = scopes[path].split("/")
        number = 0 if place == "shortcut" else int(place[-1])
        layer = f"conv{int(block[-1]) + 1}_block{unit[-1]}_{number}_{kind}"
    return f"{layer}/{layer}/{leaves[leaf]}:0"


def keras_layout(array: Any) -> Any:
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T if array.ndim == 2 else array


KERAS_SCRIPT = """
import sys
import keras, numpy
rng = numpy.random.default_rng(0)
images = rng.normal(size=(2, 64, 64, 3)).astype("f4")
for name in ("ResNet50", "DenseNet121"):
    model = getattr(keras.applications, name)(
        weights=None, classes=7, input_shape=(64, 64, 3), classifier_activation=None
    )
    for layer in model.layers:
        drawn = []
        for weight in layer.weights:
            leaf, shape = weight.path.rsplit("/")[-1], tuple(weight.shape)
            if leaf == "kernel":
                drawn.append(rng.normal(0, (2 / numpy.prod(shape[:-1])) ** 0.5, shape))
            elif leaf in ("gamma", "moving_variance"):
                drawn.append(rng.uniform(0.5, 1.5, shape))
            else:
                drawn.append(rng.normal(0, 0.2, shape))
        layer.set_weights(drawn)
    model.save(f"{name}.keras")
    if name == "ResNet50":
        model.save_weights(f"{name}.weights.h5")
    numpy.savez(f"{name}.npz", images=images, outputs=keras.ops.convert_to_numpy(model(images, training=False)))
"""

needs_keras = pytest.mark.skipif(find_spec("keras") is None, reason="needs keras, of the extra `oracles`")
needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="needs timm, of the extra `oracles`")


def written_by_keras(folder: Path) -> None:
    """Keras's networks with random weights, in its formats, and what they make of two images."""
    environment = os.environ | {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", KERAS_SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@needs_keras
def test_keras_networks_give_the_same_outputs(tmp_path: Path) -> None:
    """Reference output: keras.applications' networks with random weights, run by Keras itself in float32."""
    written_by_keras(tmp_path)
    for file, ours in (
        ("ResNet50.keras", "resnet50_v1:conv_bias=true,num_classes=7"),
        ("ResNet50.weights.h5", "resnet50_v1:num_classes=7"),
        ("DenseNet121.keras", "densenet121:num_classes=7"),
    ):
        net = analyzer.build(ours, weights=tmp_path / file)
        with numpy.load(tmp_path / f"{file.partition('.')[0]}.npz") as told:
            expected, images = torch.from_numpy(told["outputs"]), torch.from_numpy(told["images"])
        assert error(net, images.permute(0, 3, 1, 2), expected) < 1e-5, file


def error(net: nn.Module, images: Tensor, expected: Tensor) -> float:
    """Largest difference of a network's outputs from those expected, relative to the largest of these."""
    with torch.no_grad():
        outputs = net.eval()(images)
    return float((outputs - expected).abs().max() / expected.abs().max())


@needs_timm
def test_timm_networks_give_the_same_outputs(tmp_path: Path) -> None:
    """Reference output: timm's networks with random weights; bit for bit where the classifier is no convolution."""
    import timm

    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64)
    for name in ("resnet50d", "resnetv2_50", "seresnet50", "resnext50_32x4d", "densenet121"):
        theirs = timm.create_model(name, num_classes=7).eval()
        for path, buffer in theirs.named_buffers():
            if path.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        torch.save(theirs.state_dict(), tmp_path / "timm.pth")
        with torch.no_grad():
            expected = theirs(images)
        ours = analyzer.build(f"{name}:num_classes=7", weights=tmp_path / "timm.pth")
        assert error(ours, images, expected) <= (1e-5 if name == "resnetv2_50" else 0.0), name


def test_first_densenet_names_fit(tmp_path: Path) -> None:
    """Published: torchvision's first DenseNet files name `denselayer1.norm.1`, which its loader renames."""
    net = trained(DENSE)
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.").replace(".conv1.", ".conv.1."): tensor
        for name, tensor in net.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")
    assert same(state(analyzer.build(DENSE, weights=tmp_path / "old.pth")), state(net))
