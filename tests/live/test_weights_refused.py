"""Files that must be refused as weights: code, rubbish, truncated, too large; one sentence, and nothing is loaded."""

import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import torch

import analyzer
from analyzer.errors import InvalidInput, Unavailable
from analyzer.live.weights import file_formats as weights_files
from analyzer.live.weights.load import load_weights, save_weights
from tests.live.test_weights import TINY, same, state, trained


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
    monkeypatch.setattr(weights_files, "MIN_UNPACKED", 2**19)
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


def test_objects_in_an_npz_are_not_unpickled(tmp_path: Path) -> None:
    """Planted: numpy keeps objects as pickles, which are refused."""
    numpy.savez(tmp_path / "net.npz", evil=numpy.array([Bomb(tmp_path / "executed")], dtype=object))
    with pytest.raises(InvalidInput, match="damaged or of another format"):
        load_weights(analyzer.build(TINY), tmp_path / "net.npz")
    assert not (tmp_path / "executed").exists()
