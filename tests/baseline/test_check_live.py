"""`check` against live torch code. Oracles: measured by hooks and torch's counter; torchvision's published counts."""

import json
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from analyzer.baseline import baseline as regression
from analyzer.baseline.baseline import check_module
from analyzer.cli import main
from analyzer.live.network.build import build
from analyzer.live.network.module_facts import input_shape, live_facts, module_facts
from analyzer.pytest_plugin import Architecture

NETWORKS = (
    "resnet18@32",
    "seresnext50_32x4d@32",
    "resnet20_cifar@32",
    "preact_resnet164_cifar:depths=1-1-1@32",
    "densenet:depths=2-2,growth_rate=8@64",
    "vgg11_bn:config=8-M-16-M@32",
    "resnet50:depths=1-1-1-1,avg_down=true,stem=deep@64x96",
)


@pytest.mark.parametrize("key", NETWORKS)
def test_the_live_network_shows_the_facts_of_the_closed_form(key: str) -> None:
    """Measured: shapes by hooks, weights counted, torch's FlopCounterMode; stage by stage to the unit."""
    analysis = regression.analysis_of(key)
    facts = regression.facts(analysis)
    shown, departure = live_facts(analysis)
    assert departure is None
    assert list(regression.network_changes(key, facts, shown | {"fingerprint": facts["fingerprint"]})) == []
    assert shown["params"] > 0
    assert all(stage["output_shape"] for stage in shown["stages"].values())


def test_check_live_names_the_stage_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "baseline.json"
    networks = regression.current_facts(["resnet18@32", "vgg11_bn:config=8-M-16-M@32"])
    regression.write_baseline(path, networks)
    assert main(["check", "--baseline", str(path), "--live"]) == 0
    networks["resnet18@32"]["stages"]["stage3"]["macs"] += 1
    regression.write_baseline(path, networks)
    capsys.readouterr()
    assert main(["check", "--baseline", str(path), "--live", "--format", "json"]) == 1
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert (change["network"], change["place"], change["quantity"], change["delta"]) == (
        "resnet18@32",
        "stage3",
        "macs",
        -1,
    )


def test_check_live_names_the_op_that_the_builder_gets_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault planted in the built network: one convolution without its groups."""
    path = tmp_path / "baseline.json"
    regression.write_baseline(path, regression.current_facts(["resnext50_32x4d@64"]))

    def wrong(network: object, **more: object) -> nn.Module:
        net = build(network, **more)  # type: ignore[arg-type]
        net.get_submodule("layer2.1").conv2 = nn.Conv2d(256, 256, 3, padding=1, bias=False, device="meta")
        return net

    monkeypatch.setattr("analyzer.live.network.module_facts.build", wrong)
    assert main(["check", "--baseline", str(path), "--live"]) == 1
    assert "layer2.1.conv2" in capsys.readouterr().out


class Fork(nn.Module):
    """A small network as people write them: a module used twice, weights of its own, a dictionary as output."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.block = nn.Sequential(nn.Conv2d(width, width, 3, stride=2), nn.ReLU())
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.head = nn.Linear(width, 5)
        self.spare = nn.Linear(2, 2)

    def forward(self, image: Tensor) -> dict[str, object]:
        """Logits, and two maps."""
        first = self.relu(self.norm(self.conv1(image)))
        second = self.relu(self.block(first)) * self.scale
        return {"logits": self.head(second.mean((2, 3))), "maps": (first, second)}


def test_a_modules_facts_are_its_own() -> None:
    """Closed form: 3·3·3·8 + 8 weights, each times 16·16 positions; 3·3·8·8 at 7·7; 8·5."""
    facts = module_facts(Fork(), (3, 16, 16))
    assert facts["output_shape"] == "{logits: 5; maps: (8x16x16; 8x7x7)}"
    assert facts["params"] == sum(weight.numel() for weight in Fork().parameters())
    assert facts["buffers"] == 8 + 8 + 1
    assert facts["macs"] == 27 * 8 * 256 + 72 * 8 * 49 + 8 * 5
    modules = facts["modules"]
    assert list(modules) == ["conv1", "norm", "relu", "block.0", "block.1", "block", "head", "spare"]
    assert modules["conv1"] == {"kind": "Conv2d", "output_shape": "8x16x16", "params": 224, "macs": 27 * 8 * 256}
    assert modules["relu"] == {"kind": "ReLU", "output_shape": "8x16x16, 8x7x7"}
    assert modules["block"] == {"kind": "Sequential", "output_shape": "8x7x7"}
    assert modules["spare"] == {"kind": "Linear", "params": 6}


def test_torchvisions_own_network_has_its_published_counts() -> None:
    """Published: torchvision's num_params and _ops of ResNet18_Weights, 11,689,512 and 1.814 G."""
    net = torchvision.models.resnet18()
    facts = module_facts(net, input_shape(net, 224))
    assert (facts["params"], facts["macs"], facts["output_shape"]) == (11_689_512, 1_814_073_344, "1000")
    assert sum(module.get("macs", 0) for module in facts["modules"].values()) == facts["macs"]
    assert sum(module.get("params", 0) for module in facts["modules"].values()) == facts["params"]


def test_a_module_is_left_as_it_was_found() -> None:
    net = Fork()
    net.block.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    module_facts(net, (3, 16, 16))
    assert net.training
    assert not net.block.training
    assert not any(module._forward_hooks for module in net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("change", "path", "quantity"),
    [
        (lambda net: setattr(net, "conv1", nn.Conv2d(3, 8, 3, padding=1, bias=False)), "conv1", "params"),
        (lambda net: setattr(net, "conv1", nn.Conv2d(3, 8, 3, padding=2)), "conv1", "output_shape"),
        (lambda net: setattr(net, "norm", nn.BatchNorm2d(8, track_running_stats=False)), "norm", "buffers"),
        (lambda net: setattr(net, "norm", nn.GroupNorm(2, 8)), "norm", "kind"),
        (lambda net: net.block.append(nn.Conv2d(8, 8, 1)), "block.2", "kind"),
        (lambda net: delattr(net, "spare"), "spare", "kind"),
    ],
)
def test_a_changed_module_is_named(change: object, path: str, quantity: str) -> None:
    changed = Fork()
    assert callable(change)
    change(changed)
    before, after = module_facts(Fork(), (3, 16, 16)), module_facts(changed, (3, 16, 16))
    outcome = check_module("mine@16", before, after)
    assert outcome.moved[0].path == path
    assert (path, quantity) in {(item.place, item.quantity) for item in outcome.changes}
    assert check_module("mine@16", before, before) == (1, (), ())


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with code of the user's own, importable only from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "their_nets.py").write_text(
        "from torch import nn\n"
        "def make(width=4):\n    return nn.Sequential(nn.Conv2d(1, width, 3), nn.Flatten(), nn.Linear(width * 36, 2))\n"
        "def number():\n    return 3\ndef fails():\n    raise RuntimeError('no weights')\nready = make()\n"
    )
    monkeypatch.delitem(sys.modules, "their_nets", raising=False)
    return tmp_path


def test_check_module_records_compares_and_names_what_moved(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["check", "--baseline", "b.json", "--module", "their_nets:make@8"]
    assert main([*command, "--update"]) == 0
    assert main(["check", "--baseline", "b.json", "--add", "resnet18@32"]) == 0
    assert main(["check", "--baseline", "b.json", "--update"]) == 0
    assert main(command) == 0
    assert main(["check", "--baseline", "b.json"]) == 0
    document = json.loads((own / "b.json").read_text())
    assert document["modules"]["their_nets:make@8"]["input_shape"] == "1x8x8"
    document["modules"]["their_nets:make@8"]["modules"]["2"]["params"] = 1
    (own / "b.json").write_text(json.dumps(document))
    capsys.readouterr()
    assert main(command) == 1
    assert "the first op that differs is 2 (2), now Linear → 2" in capsys.readouterr().out
    assert main([*command, "--tolerance", "params=1k"]) == 0
    assert main(["check", "--baseline", "b.json", "--remove", "their_nets:make@8"]) == 0
    assert main(command) == 2
    assert "is not in b.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("their_nets", "must be package.module:factory"),
        ("their_nets:none", "cannot be imported (AttributeError"),
        ("no_such_package:make", "cannot be imported (ModuleNotFoundError"),
        ("their_nets:fails", "fails() failed (RuntimeError: no weights)"),
        ("their_nets:number", "gave int; it must be a torch.nn.Module"),
        ("their_nets:make@", "after @ stands an input size"),
        ("their_nets:make@9", "the module does not take 1x9x9 (RuntimeError"),
    ],
)
def test_a_module_that_cannot_be_had_is_one_sentence(
    own: Path, capsys: pytest.CaptureFixture[str], name: str, sentence: str
) -> None:
    assert main(["check", "--baseline", "b.json", "--module", name, "--update"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert sentence in captured.err
    assert not (own / "b.json").exists()


def test_a_ready_module_will_do(own: Path) -> None:
    assert main(["check", "--baseline", "b.json", "--module", "their_nets:ready@8", "--update"]) == 0


def test_the_pytest_fixture_takes_a_torch_module(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    Architecture(path, update=True).assert_matches_baseline(Fork(), name="fork", input_size=16)
    check = Architecture(path).assert_matches_baseline
    check(Fork(), name="fork", input_size=16)
    with pytest.raises(pytest.fail.Exception, match=r"fork@16: the first op that differs is conv1 \(conv1\)"):
        check(Fork(12), name="fork", input_size=16)
    with pytest.raises(pytest.fail.Exception, match=r"Fork@16 is not in"):
        check(Fork(), input_size=16)
