"""Weights in and out: round trips, checkpoints, numbers of classes, and names that do not fit."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import analyzer
from analyzer.cli import main
from analyzer.errors import InvalidInput
from analyzer.live.weights.load import WeightsMismatch, load_weights, save_weights

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
