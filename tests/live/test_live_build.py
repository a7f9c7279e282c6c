"""The live network: torchvision's in names and bits (reference output), what hooks see (measured), and its manners."""

import copy
import pickle
import weakref

import pytest
import torch
import torchvision
from torch import Tensor, nn

import analyzer
from analyzer.errors import InvalidInput, Unavailable
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import Add, Conv2d, ReLU, Sigmoid, ZeroPadShortcut
from analyzer.live.verify.reference_networks import torchvision_network
from tests.support.names import EVERY_KIND, HEADLINE

NAMES = EVERY_KIND
TORCHVISION_NAMES = tuple(name for name in NAMES if hasattr(torchvision.models, name))


def test_all_but_one_name_are_torchvisions() -> None:
    """Reference: only resnext101_32x4d has no torchvision counterpart."""
    assert set(HEADLINE) - set(TORCHVISION_NAMES) == {"resnext101_32x4d"}
    assert len(TORCHVISION_NAMES) == 19


@pytest.mark.parametrize("name", TORCHVISION_NAMES)
def test_outputs_are_bitwise_torchvisions(name: str) -> None:
    """Reference output: state_dict in names, shapes and order, and the same bits in evaluation mode."""
    live = analyzer.build(name).eval()
    reference = torchvision_network(name).eval()
    weights = live.state_dict()
    assert [(key, value.shape) for key, value in weights.items()] == [
        (key, value.shape) for key, value in reference.state_dict().items()
    ]
    reference.load_state_dict(weights, assign=True)
    image = torch.randn(2, 3, 64, 72)
    with torch.no_grad():
        assert torch.equal(live(image), reference(image))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "densenet121", "regnet_y_400mf"])
def test_gradients_are_bitwise_torchvisions(name: str) -> None:
    """Reference output: in training mode gradients and running statistics have the same bits."""
    live = analyzer.build(name)
    reference = torchvision.models.get_model(name)
    reference.load_state_dict(live.state_dict())
    image, direction = torch.randn(2, 3, 64, 64), torch.randn(2, 1000)
    for net in (live, reference):
        net(image).backward(direction)
    ours, theirs = dict(live.named_parameters()), dict(reference.named_parameters())
    assert all(torch.equal(_gradient(ours[key]), _gradient(theirs[key])) for key in theirs)
    kept = dict(reference.named_buffers())
    assert all(torch.equal(value, kept[key]) for key, value in live.named_buffers())


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_initial_weights_have_torchvisions_spread(name: str) -> None:
    """Reference: each convolution's and linear layer's initial spread is torchvision's, to sampling error."""
    torch.manual_seed(0)
    live, reference = analyzer.build(name).state_dict(), torchvision.models.get_model(name).state_dict()
    for key, theirs in reference.items():
        if theirs.dim() > 1:
            assert live[key].std().item() == pytest.approx(theirs.std().item(), rel=0.15), key
        elif "fc.bias" not in key:
            assert torch.equal(live[key], theirs), key


def test_stages_and_blocks_are_modules_whose_hooks_fire() -> None:
    """Measured: a hook on a stage, a block and a projection sees its output."""
    live = analyzer.build("resnet50", device="meta")
    fired: list[tuple[str, tuple[int, ...]]] = []
    for path in ("layer1.0.downsample", "layer1.0", "layer1"):
        live.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: fired.append((path, tuple(output.shape)))
        )
    live(torch.empty(1, 3, 64, 64, device="meta"))
    assert fired == [(path, (1, 256, 16, 16)) for path in ("layer1.0.downsample", "layer1.0", "layer1")]


def test_print_names_the_graphs_kinds() -> None:
    printed = str(analyzer.build("resnet18", device="meta")).splitlines()
    assert printed[0] == "resnet("
    assert {"  (layer1): stage(", "    (0): basic(", "      (downsample): projection("} <= set(printed)


def test_equal_blocks_have_weights_of_their_own() -> None:
    live = analyzer.build("resnet50:depths=3")
    first, second = (live.get_submodule(f"layer1.{index}.conv2") for index in (1, 2))
    assert first.weight is not second.weight
    assert not torch.equal(first.weight, second.weight)  # type: ignore[arg-type]


def test_copies_and_pickles_compute_the_same() -> None:
    live = analyzer.build("densenet:depths=2-2,growth_rate=4,init_features=8").eval()
    image = torch.randn(1, 3, 32, 32)
    for twin in (copy.deepcopy(live), pickle.loads(pickle.dumps(live))):
        assert torch.equal(twin(image), live(image))
        assert twin.get_submodule("features.conv0") is not live.get_submodule("features.conv0")


def test_dtype_is_float32_whatever_torchs_default() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert {weight.dtype for weight in analyzer.build("resnet:block=basic,depths=1").parameters()} == {
            torch.float32
        }
    finally:
        torch.set_default_dtype(torch.float32)
    halves = analyzer.build("resnet:block=basic,depths=1", dtype=torch.float16)
    assert {weight.dtype for weight in halves.parameters()} == {torch.float16}
    assert {kept.dtype for kept in halves.buffers()} == {torch.float16, torch.int64}


def test_refuses_in_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"^dtype torch\.int8: a network's weights need a floating-point type\.$"):
        analyzer.build("resnet18", dtype=torch.int8)
    with pytest.raises(Unavailable, match=r"^device 'quantum' cannot be used on this machine: .*\.$"):
        analyzer.build("resnet18", device="quantum")
    clash = Graph("net", tuple(sequence(("conv", Conv2d(3, 4, 1)), ("forward", ReLU()))))
    with pytest.raises(InvalidInput, match=r"^graph net: node name 'forward' is taken by torch\.nn\.Module itself\.$"):
        analyzer.build(clash)


def test_zero_pad_shortcut_keeps_every_stride_th_position() -> None:
    """Reference output: He et al. 2015, option A, written out."""
    graph = Graph("net", (*sequence(("conv", Conv2d(1, 1, 1)), ("pad", ZeroPadShortcut(1, 2, stride=2))),))
    live = analyzer.build(graph)
    nn.init.ones_(live.get_parameter("conv.weight"))
    padded = live(torch.arange(9.0).reshape(1, 1, 3, 3))
    assert padded.tolist() == [[[[0, 2], [6, 8]], [[0, 0], [0, 0]]]]


def test_overwrites_only_what_nothing_else_reads() -> None:
    """Reference output: an op whose input is read again, or is the network's own input, leaves it whole."""
    nodes = (
        Node("early", ReLU(), (INPUT,)),
        Node("conv", Conv2d(2, 2, 1), ("early",)),
        Node("relu", ReLU(), ("conv",)),
        Node("sum", Add(), ("conv", "relu")),
        Node("last", Add(), ("sum", "early")),
    )
    live = analyzer.build(Graph("net", nodes), dtype=torch.float64)
    image = torch.randn(1, 2, 3, 3, dtype=torch.float64)
    before = image.clone()
    early = image.relu()
    conv = nn.functional.conv2d(early, live.get_parameter("conv.weight"))
    assert torch.equal(live(image), (conv + conv.relu()) + early)
    assert torch.equal(image, before)


def test_gradients_survive_overwriting() -> None:
    """Reference output: an op whose gradient needs its own output (ReLU, sigmoid) is not overwritten by the next."""
    nodes = (
        *sequence(("conv", Conv2d(2, 2, 1)), ("relu", ReLU()), ("conv2", Conv2d(2, 2, 1)), ("sigmoid", Sigmoid())),
        Node("sum", Add(), ("sigmoid", "conv")),
        *sequence(("relu2", ReLU()), after="sum"),
        Node("last", Add(), ("relu2", "relu")),
    )
    live = analyzer.build(Graph("net", nodes), dtype=torch.float64)
    image = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(live, (image,))


def test_intermediate_values_are_freed_after_their_last_use() -> None:
    """Measured: while a chain runs, at most its newest value and the one being read are alive."""
    graph = Graph("chain", tuple(sequence(*((f"conv{index}", Conv2d(2, 2, 1)) for index in range(6)))))
    live, alive, most = analyzer.build(graph), weakref.WeakSet[Tensor](), []

    def watch(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        alive.add(output)
        most.append(len(alive))

    for module in live.children():
        module.register_forward_hook(watch)
    with torch.no_grad():
        live(torch.randn(1, 2, 4, 4))
    assert max(most) == 2
