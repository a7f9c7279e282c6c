"""Weights in and out: round trips, other libraries' names and layouts, and files that must be refused."""

import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import torch
from torch import Tensor, nn

import analyzer
from analyzer.cli import main
from analyzer.errors import InvalidInput, Unavailable
from analyzer.live import weights_files
from analyzer.live.weights import WeightsMismatch, load_weights, save_weights

TINY = "resnet:block=bottleneck,depths=2-1,widths=4-8,stem=cifar,stem_width=4,num_classes=3"
DENSE = "densenet:depths=2-1,growth_rate=4,init_features=8,num_classes=3"


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def trained(variant: str = TINY) -> nn.Module:
    """A network none of whose tensors is at its start."""
    net = analyzer.build(variant)
    generator = torch.Generator().manual_seed(3)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=generator)
        else:
            tensor.fill_(7)
    return net


@pytest.mark.parametrize("ending", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_is_saved_comes_back(tmp_path: Path, ending: str, device: str) -> None:
    """Measured: every tensor bit for bit, also into a network that has no memory yet."""
    net, path = trained(), tmp_path / f"net{ending}"
    save_weights(net, path)
    again = analyzer.build(TINY, device=device)
    found = load_weights(again, path)
    assert same(state(again), state(net))
    assert set(found.names) == set(net.state_dict())
    assert not any((found.missing, found.unexpected, found.misshapen, found.notes))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_build_takes_a_file(tmp_path: Path) -> None:
    """Measured: `build(variant, weights=PATH)`, cast to the dtype asked for; reads a string as well as a Path."""
    net = trained()
    analyzer.save_weights(net, tmp_path / "net.safetensors")
    built = analyzer.build(TINY, weights=str(tmp_path / "net.safetensors"), dtype=torch.float64)
    assert same(state(built), {name: tensor.to(built.state_dict()[name].dtype) for name, tensor in state(net).items()})


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "module."])
def test_checkpoints_are_unwrapped(tmp_path: Path, wrapped: str) -> None:
    """Measured: a training script's checkpoint, and the prefix of DataParallel and torch.compile."""
    net = trained()
    content: dict[str, Any] = {wrapped: net.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}}
    if wrapped == "module.":
        content = {f"module._orig_mod.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save(content, tmp_path / "net.pth")
    again = analyzer.build(TINY, weights=tmp_path / "net.pth")
    assert same(state(again), state(net))


def test_other_numbers_of_classes(tmp_path: Path) -> None:
    """Closed form: refused with a hint, dropped (its own classifier stays), or kept (it takes the file's 5 classes)."""
    path = tmp_path / "net.safetensors"
    five = trained(TINY.replace("num_classes=3", "num_classes=5"))
    save_weights(five, path)
    net = analyzer.build(TINY)
    before = state(net)
    with pytest.raises(WeightsMismatch, match=r"2 misshapen \(fc.weight \(5, 32\) for \(3, 32\), .* dropped or kept"):
        load_weights(net, path)
    assert same(state(net), before)
    load_weights(net, path, classifier="drop")
    assert torch.equal(net.state_dict()["fc.weight"], before["fc.weight"])
    assert torch.equal(net.state_dict()["conv1.weight"], five.state_dict()["conv1.weight"])
    load_weights(net, path, classifier="keep")
    assert same(state(net), state(five))
    assert net.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
    assert "out_features=5" in str(net.get_submodule("fc"))


def test_a_network_without_classifier_drops_the_files(tmp_path: Path) -> None:
    """Closed form: head=pool has no fc; the file's is unexpected unless it is dropped."""
    save_weights(trained(), tmp_path / "net.pth")
    net = analyzer.build(TINY.replace("num_classes=3", "head=pool"))
    with pytest.raises(WeightsMismatch, match=r"2 unexpected \(fc.weight, fc.bias\); the file's classifier can be"):
        load_weights(net, tmp_path / "net.pth")
    assert "fc.weight" not in load_weights(net, tmp_path / "net.pth", classifier="drop").names


def test_every_name_that_does_not_fit_is_listed(tmp_path: Path) -> None:
    """Planted: one tensor missing, one too many, one of another shape and one of whole numbers; nothing is loaded."""
    content = dict(trained().state_dict())
    del content["bn1.weight"]
    content |= {"extra.weight": torch.zeros(1), "conv1.weight": torch.zeros(4, 3, 1, 1)}
    content["fc.bias"] = torch.zeros(3).int()
    torch.save(content, tmp_path / "net.pth")
    net = analyzer.build(TINY)
    before = state(net)
    with pytest.raises(WeightsMismatch) as caught:
        load_weights(net, tmp_path / "net.pth")
    assert caught.value.missing == ("bn1.weight",)
    assert caught.value.unexpected == ("extra.weight",)
    assert caught.value.misshapen == (
        "conv1.weight (4, 3, 1, 1) for (4, 3, 3, 3)",
        "fc.bias (3) int32 for (3)",
    )
    for name in ("bn1.weight", "extra.weight", *caught.value.misshapen):
        assert name in str(caught.value)
    assert str(caught.value).endswith("nothing was loaded.")
    assert same(state(net), before)
    found = load_weights(net, tmp_path / "net.pth", strict=False)
    assert (found.missing, found.unexpected) == (("bn1.weight",), ("extra.weight",))
    assert torch.equal(net.state_dict()["bn1.bias"], content["bn1.bias"])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda tensor: tensor.to_sparse(), "sparse_coo"),
        (lambda tensor: tensor.to("meta"), "meta"),
        (lambda tensor: tensor.to(torch.complex64), "complex64"),
        (lambda tensor: tensor.bool(), "bool"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch has something to say of sparse tensors in general
def test_tensors_of_another_kind_are_misshapen(tmp_path: Path, spoil: Callable[[Tensor], Tensor], told: str) -> None:
    """Planted: the last tensor sparse, without numbers, complex or of truth values; none before it is taken."""
    content = dict(trained().state_dict())
    content["fc.bias"] = spoil(content["fc.bias"])
    torch.save(content, tmp_path / "net.pth")
    net = analyzer.build(TINY)
    before = state(net)
    with pytest.raises(InvalidInput, match=rf"1 misshapen \(fc.bias \(3\) {told} for \(3\)\)"):
        load_weights(net, tmp_path / "net.pth")
    assert same(state(net), before)


def test_another_networks_file_is_refused_shortly(tmp_path: Path) -> None:
    """Closed form: dozens of names make one sentence that says how many; the exception has them all."""
    save_weights(trained(DENSE), tmp_path / "dense.pth")
    with pytest.raises(WeightsMismatch, match=r"and \d+ more") as caught:
        analyzer.build(TINY, weights=tmp_path / "dense.pth")
    assert len(str(caught.value)) < 2500
    assert "\n" not in str(caught.value)
    needed = [name for name in analyzer.build(TINY).state_dict() if not name.endswith("num_batches_tracked")]
    assert caught.value.missing == tuple(needed)


def test_counters_may_be_missing(tmp_path: Path) -> None:
    """Closed form: files older than `num_batches_tracked` load; the counters stay as they are."""
    net = trained()
    kept = {name: tensor for name, tensor in net.state_dict().items() if "num_batches" not in name}
    torch.save(kept, tmp_path / "net.pth")
    for device in ("cpu", "meta"):
        again = analyzer.build(TINY, device=device, weights=tmp_path / "net.pth")
        assert again.state_dict()["bn1.num_batches_tracked"].item() == 0
        assert same({name: again.state_dict()[name] for name in kept}, kept)


class Bomb:
    """Pickled, it asks for a file to be made when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("way", ["torch", "pickle", "inside"])
def test_a_pickle_bomb_is_refused_and_not_run(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: code in the archive, in a bare pickle, or beside good weights under a name."""
    monkeypatch.chdir(tmp_path)
    target, path = tmp_path / "executed", tmp_path / "net.pth"
    content = {**trained().state_dict(), "evil": Bomb(target)} if way == "inside" else Bomb(target)
    if way == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path)
    net = analyzer.build(TINY)
    before = state(net)
    with pytest.raises(InvalidInput, match=r"not plain weights: it wants \w+\.mkdir to be run, which is refused\.$"):
        load_weights(net, path)
    assert not target.exists()
    assert same(state(net), before)


RUBBISH = (b"", b"no weights at all", b"PK\x03\x04 and then nothing", b"\x80\x02.", b"\x89HDF\r\n\x1a\n")


RUBBISH = (b"", b"no weights at all", b"PK\x03\x04 and then nothing", b"\x80\x02.", b"\x89HDF\r\n\x1a\n")


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".safetensors", ".npz", ".h5", ".keras"])
@pytest.mark.parametrize("content", RUBBISH)
def test_rubbish_is_refused_in_a_sentence(tmp_path: Path, ending: str, content: bytes) -> None:
    """Planted: empty and foreign files under each ending."""
    path = tmp_path / f"net{ending}"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"^weights .*: [^\n]*\.$"):
        load_weights(analyzer.build(TINY), path)


@pytest.mark.parametrize("ending", [".pth", ".safetensors", ".npz", ".h5"])
def test_truncated_files_are_refused_and_nothing_is_loaded(tmp_path: Path, ending: str) -> None:
    """Planted: the first half of a good file."""
    net, path = trained(), tmp_path / f"net{ending}"
    if ending == ".npz":
        numpy.savez(path, **{name: tensor.numpy() for name, tensor in net.state_dict().items()})
    elif ending == ".h5":
        with h5py.File(path, "w") as file:
            for name, tensor in net.state_dict().items():
                file[f"{name}/{name}/kernel:0"] = tensor.numpy()
    else:
        save_weights(net, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = analyzer.build(TINY)
    before = state(again)
    with pytest.raises(InvalidInput, match=r"^weights .*: [^\n]*\.$"):
        load_weights(again, path)
    assert same(state(again), before)


def test_no_file_no_ending_no_dictionary(tmp_path: Path) -> None:
    """Closed form: field, value, rule."""
    net = analyzer.build(TINY)
    with pytest.raises(InvalidInput, match=r"cannot be read \(No such file or directory\)"):
        load_weights(net, tmp_path / "none.pth")
    with pytest.raises(InvalidInput, match=r"must end in \.pth, \.pt, \.bin, \.safetensors"):
        load_weights(net, tmp_path / "net.ckpt")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(InvalidInput, match="holds a list and not tensors by name"):
        load_weights(net, tmp_path / "list.pth")
    torch.save({"weights": 1}, tmp_path / "other.pth")
    with pytest.raises(InvalidInput, match="holds no state_dict, neither by itself nor under state_dict"):
        load_weights(net, tmp_path / "other.pth")
    with pytest.raises(InvalidInput, match=r"^classifier 'lose': must be match, drop, keep\.$"):
        load_weights(net, tmp_path / "net.pth", classifier="lose")
    with pytest.raises(InvalidInput, match=r"must end in \.safetensors, \.pth, \.pt\.$"):
        save_weights(net, tmp_path / "net.h5")
    with pytest.raises(InvalidInput, match="on meta has none to save"):
        save_weights(analyzer.build(TINY, device="meta"), tmp_path / "net.pth")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["list.pth", "other.pth"]


def test_archives_that_unpack_to_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a megabyte of zeros in a kilobyte, with the bound lowered; an HDF5 set of 8 TB without a byte."""
    monkeypatch.setattr(weights_files, "LEAST_UNPACKED", 2**19)
    net = analyzer.build("resnet:block=basic,depths=1,widths=2,stem_width=2,stem=cifar,num_classes=2")
    for ending in (".npz", ".keras", ".pth"):
        path = tmp_path / f"bomb{ending}"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model.weights.h5", bytes(2**20))
        with pytest.raises(InvalidInput, match="would unpack to 1048576 bytes, and for this network at most"):
            load_weights(net, path)
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("conv1_conv/conv1_conv/kernel:0", shape=(10**12,), dtype="f8", chunks=(1024,))
    with pytest.raises(InvalidInput, match="would unpack to 8000000000000 bytes"):
        load_weights(net, tmp_path / "bomb.h5")


def test_data_in_another_file_is_not_read(tmp_path: Path) -> None:
    """Planted: an HDF5 data set whose numbers lie in a file beside it."""
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset("bn/bn/gamma:0", (8,), "f8", external=[(str(tmp_path / "secret"), 0, 64)])
    with pytest.raises(InvalidInput, match="lies in another file, which is not read"):
        load_weights(analyzer.build(TINY), tmp_path / "net.h5")


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: safetensors cannot be imported."""
    net = trained()
    save_weights(net, tmp_path / "net.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(Unavailable, match=r"needs safetensors, .* install resnet-analyzer\[live\]"):
        analyzer.load_weights(net, tmp_path / "net.safetensors")


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


def test_objects_in_an_npz_are_not_unpickled(tmp_path: Path) -> None:
    """Planted: numpy keeps objects as pickles, which are refused."""
    numpy.savez(tmp_path / "net.npz", evil=numpy.array([Bomb(tmp_path / "executed")], dtype=object))
    with pytest.raises(InvalidInput, match="damaged or of another format"):
        load_weights(analyzer.build(TINY), tmp_path / "net.npz")
    assert not (tmp_path / "executed").exists()


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


def test_verify_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: a fitting file is one more check; one that does not fit, or two networks, is exit 2."""
    save_weights(trained(), tmp_path / "net.safetensors")
    path = str(tmp_path / "net.safetensors")
    assert main(["verify", TINY, "--weights", path]) == 0
    assert re.search(r"weights file +\| net.safetensors .*\| equal", capsys.readouterr().out)
    for variants in ([DENSE], [TINY, DENSE]):
        assert main(["verify", *variants, "--weights", path]) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.count("\n") == 1


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
