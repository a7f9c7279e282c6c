"""The exported PyTorch file: it is the network, it reads like code that a person wrote, and it needs torch alone.

Oracles: the built network (reference output: state_dict, the very ops that run, bits), ruff, recorded text.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

import analyzer
from analyzer.cli import main
from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.network import network
from analyzer.families.registry import variant_names
from analyzer.families.spec import Spec
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import Add, BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, Multiply, ReLU, Sigmoid
from analyzer.live.verify.meters import NormByShapes
from analyzer.render.pytorch.source import network_name, pytorch_source
from tests.support.strategies import densenet_specs, resnet_specs, vgg_specs

TINY = {
    "grouped and gated": "resnet:block=bottleneck,depths=1-2-2,widths=8-16-32,cardinality=2,se_reduction=4",
    "pre-activation": "resnet:block=bottleneck,depths=1-2,widths=8-16,stem_width=8,preactivation=true,stem=cifar",
    "zero-padded": "resnet:block=basic,depths=1-2,widths=8-16,stem_width=8,shortcut=A,stem=cifar",
    "plain, with biases": "resnet:block=basic,depths=1-2,widths=8-16,stem_width=8,shortcut=none,conv_bias=true",
    "pooled shortcuts everywhere": "resnet:block=basic,depths=2-2,widths=8-16,stem=deep,avg_down=true,shortcut=C",
    "dilated": "resnet:block=bottleneck,depths=2-2-2,widths=8-16-32,stem_width=8,output_stride=8",
    "tutorial's head": "resnet:block=basic,depths=1,widths=8,stem_pool=valid,head_pool=2,num_classes=7",
    "densely connected": "densenet:depths=2-3,growth_rate=4,init_features=8",
    "densely connected, without 1×1": "densenet:depths=1-1,growth_rate=8,init_features=8,bottleneck_ratio=none",
    "headless": "densenet:depths=2,growth_rate=4,init_features=8,head=none",
    "VGG": "vgg:config=8-M-8-8-M,batch_norm=true,head=pool",
}


STRUCTURES = (
    "resnet18",
    "resnext50_32x4d",
    "densenet121",
    "resnet50_v1",
    "resnet50d",
    "resnetv2_50",
    "plain34",
    "seresnet50",
    "resnet32_cifar",
    "preact_resnet164_cifar",
    "wrn16_8_cifar",
    "densenet40_k12_cifar",
    "densenet_bc100_k12_cifar",
    "regnet_x_400mf",
    "regnet_y_800mf",
    "vgg16_bn",
    "alexnet",
    "tutorial_resnet101",
)
"""One named variant of each structure; the others differ in numbers."""


def exported(analysis: Analysis, **arguments: int) -> nn.Module:
    """The exported file, run, and its network."""
    scope: dict[str, Any] = {"__name__": "exported"}
    exec(compile(pytorch_source(analysis), "exported.py", "exec"), scope)
    net: nn.Module = scope[network_name(analysis)](**arguments)
    return net


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class is untyped
    """Every op that runs, with its arguments: tensors by shape, and by when they were first seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ran: list[object] = []
        self._seen: dict[int, tuple[int, Tensor]] = {}

    def _said(self, value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        return self._seen.setdefault(id(value), (len(self._seen), value))[0], tuple(value.shape)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = args
        if "avg_pool2d" in str(func):
            args = args[:3]  # what pads, and rounds, follows from the shapes of the next op
        returned = func(*given, **(kwargs or {}))
        self.ran.append((str(func), repr(tree_map(self._said, (args, kwargs, returned)))))
        return returned


def ops_run(net: nn.Module, shape: tuple[int, ...]) -> list[object]:
    with torch.no_grad(), NormByShapes(), Recorder() as recorder:
        net.eval()(torch.empty(1, *shape, device="meta"))
    return list(recorder.ran)


def layout(net: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(value.shape)) for name, value in net.state_dict().items()]


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_named_variant_has_the_same_weights_and_runs_the_same_ops(name: str) -> None:
    """Reference output, on `meta`: state_dict in names, shapes and order; every op with its arguments, in order."""
    analysis = analyze(name)
    with torch.device("meta"):
        ours = exported(analysis)
    live = analyzer.build(name, device="meta")
    assert layout(ours) == layout(live)
    assert ops_run(ours, analysis.input_shape) == ops_run(live, analysis.input_shape)


def assert_same_bits(analysis: Analysis) -> None:
    """Outputs, gradients and statistics, in evaluation and in training mode."""
    live, ours = analyzer.build(analysis.network), exported(analysis)
    assert layout(ours) == layout(live)
    ours.load_state_dict(live.state_dict())
    images = torch.randn(2, *analysis.input_shape)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), live.eval()(images))
    outputs = [_trained(net, images) for net in (ours, live)]
    assert torch.equal(*outputs)
    theirs = dict(live.named_parameters())
    assert all(_same(weight.grad, theirs[name].grad) for name, weight in ours.named_parameters())
    assert all(torch.equal(kept, live.get_buffer(name)) for name, kept in ours.named_buffers())


def _trained(net: nn.Module, images: Tensor) -> Tensor:
    torch.manual_seed(0)  # dropout draws the same masks
    output = net.train()(images)
    output.square().sum().backward()
    detached: Tensor = output.detach()
    return detached


def _same(ours: Tensor | None, theirs: Tensor | None) -> bool:
    return ours is not None and theirs is not None and torch.equal(ours, theirs)


@pytest.mark.parametrize("expression", TINY.values(), ids=TINY)
def test_every_kind_gives_the_same_bits(expression: str) -> None:
    """Reference output: the built network with the same weights, forward and backward."""
    assert_same_bits(analyze(expression, 64))


@settings(max_examples=8)
@given(spec=resnet_specs() | densenet_specs() | vgg_specs())
def test_any_spec_has_the_same_weights_and_runs_the_same_ops(spec: Spec) -> None:
    """Reference output on `meta`, over the families' fields."""
    analysis = analyze(spec)
    with torch.device("meta"):
        ours = exported(analysis)
    live = analyzer.build(spec, device="meta")
    assert layout(ours) == layout(live)
    assert ops_run(ours, analysis.input_shape) == ops_run(live, analysis.input_shape)


def test_a_graph_of_odd_names_and_shapes_of_its_own() -> None:
    """Reference output: names that no attribute can have, a ReLU that may not overwrite, three-way sums, two blocks."""
    block = Graph(
        "odd block!",
        (
            *sequence(("0", Conv2d(4, 4, 1)), ("class", ReLU())),
            Node("relu", BatchNorm2d(4), ("class",)),
            Node("sum", Add(), ("relu", "class", INPUT)),
        ),
    )
    nodes = (
        *sequence(("conv", Conv2d(3, 4, 3, padding=1)), ("first", block), ("second", block), ("again", ReLU())),
        *sequence(("pool", GlobalAvgPool2d()), ("fc1", Conv2d(4, 4, 1, bias=True)), ("gate", Sigmoid()), after="again"),
        Node("scaled", Multiply(), ("again", "gate")),
        *sequence(("last pool", GlobalAvgPool2d()), ("flat", Flatten()), ("fc", Linear(4, 2)), after="scaled"),
    )
    assert_same_bits(analyze(Graph("my net; import os", nodes), 16))


def test_names_that_are_no_python_names_lose_no_module() -> None:
    """Reference output: keywords and blanks as names, in a sequence and in a class, where the lines are many."""
    wide = Conv2d(4, 4, 3, padding=1, bias=True)
    words = Graph("words", tuple(sequence(("class", wide), ("lambda", BatchNorm2d(4)))))
    block = Graph(
        "wordy block",
        (
            *sequence(("a first convolution", wide), ("a second convolution", wide)),
            Node("sum", Add(), ("a second convolution", INPUT)),
        ),
    )
    head = (("pool", GlobalAvgPool2d()), ("flat", Flatten()), ("fc", Linear(4, 2)))
    nodes = sequence(("stem", Conv2d(3, 4, 1)), ("words", words), ("block", block), *head)
    assert_same_bits(analyze(Graph("wordy net", tuple(nodes)), 16))


def test_a_title_cannot_become_code(tmp_path: Path) -> None:
    """What stands in a TOML file's title stays inside the docstring."""
    path = tmp_path / "evil.toml"
    path.write_text('variant = "resnet18"\ntitle = \'"""; raise SystemExit(3); r"""\\\\ ×\'\n', encoding="utf-8")
    from analyzer.families.toml_file import read_network

    source = pytorch_source(analyze(read_network(path)))
    exec(compile(source, "evil.py", "exec"), {"__name__": "exported"})
    assert source.isascii()


def test_classes_can_be_other_than_the_variants() -> None:
    """Reference: the classifier follows the one argument, and everything else stays."""
    net = exported(analyze("resnet20_cifar"), num_classes=7)
    assert net(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_initial_weights_have_the_built_networks_spread() -> None:
    """Reference: each convolution's and linear layer's initial spread, to sampling error; constants are constant."""
    torch.manual_seed(0)
    for name in ("resnet20_cifar", "densenet40_k12_cifar", "vgg:config=8-M,num_classes=5"):
        ours, live = exported(analyze(name)).state_dict(), analyzer.build(name).state_dict()
        for key, value in live.items():
            if value.dim() > 1:
                assert ours[key].std().item() == pytest.approx(value.std().item(), rel=0.25), key
            elif "fc" not in key:
                assert torch.equal(ours[key], value), key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every named variant's file and every tiny one's."""
    place = tmp_path_factory.mktemp("exported")
    for index, expression in enumerate((*variant_names(), *TINY.values())):
        (place / f"net{index}.py").write_text(pytorch_source(analyze(network(expression))), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--isolated", "--check"),
        ("ruff", "check", "--isolated", "--no-cache", "--select", "E,F,W,I,UP,B,SIM,C4,RET,RUF,ANN"),
    ],
    ids=["ruff format", "ruff check"],
)
def test_every_file_is_as_ruff_would_have_it(command: tuple[str, ...], folder: Path) -> None:
    """Oracle: ruff in its default style, without this project's settings."""
    ran = subprocess.run([sys.executable, "-m", *command, "."], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_the_file_is_what_its_golden_says(name: str, golden: Callable[[str, str], None]) -> None:
    """Oracle: recorded text."""
    golden(f"export-{name}.source", pytorch_source(analyze(name)))


def test_the_verb_writes_a_file_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published: He et al. 2015, section 4.2, 0.27 M parameters; the file tells its own, run by itself."""
    monkeypatch.chdir(tmp_path)
    assert main(["export", "resnet20_cifar"]) == 0
    ran = subprocess.run(
        [sys.executable, "-I", "resnet20_cifar.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("torch.Size([1, 10])\n269722\n", "")


def test_the_verb_names_files_that_can_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "resnet50:depths=1-2-1-1", "--input-size", "64"]) == 0
    (path,) = tmp_path.iterdir()
    assert path.stem.isidentifier()
    assert "for one 3x64x64 image" in path.read_text(encoding="utf-8")


def test_the_verb_prints_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "resnet18", "--output", "-"]) == 0
    shown = capsys.readouterr()
    assert shown.out == pytorch_source(analyze("resnet18"))
    assert shown.err == ""
