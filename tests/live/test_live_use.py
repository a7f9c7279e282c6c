"""The live network at work: features, stage outputs, initial weights, and what torch's own tools make of it.

Oracles: the network's own plain output (reference output), the closed form's shapes, torchvision's initial weights.
"""

import copy
import pickle

import pytest
import torch
import torchvision
from torch import Tensor, nn

import analyzer
from analyzer.errors import InvalidInput
from analyzer.graph.graph import INPUT, Graph, Node, sequence
from analyzer.graph.ops import BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, ReLU
from analyzer.live.network.modules import Net
from analyzer.live.verify.meters import NormByShapes
from tests.support.names import EVERY_KIND

TINY = {
    "bottlenecks, grouped, gated": "resnet:block=bottleneck,depths=1-2,widths=8-16,stem_width=8,"
    "cardinality=2,se_reduction=4",
    "pre-activation": "resnet:block=basic,depths=1-2,widths=8-16,stem_width=8,preactivation=true,stem=cifar",
    "zero-padded": "resnet:block=basic,depths=1-2,widths=8-16,stem_width=8,shortcut=A,stem=cifar",
    "deep stem, pooled shortcuts": "resnet:block=bottleneck,depths=1-2,widths=8-16,stem_width=8,"
    "stem=deep,avg_down=true",
    "densely connected": "densenet:depths=2-2,growth_rate=4,init_features=8",
    "X blocks": "regnet:depths=1-2,widths=8-16,group_widths=4,stem_width=8",
    "plain": "vgg:config=8-M-8-M,batch_norm=true,head=pool",
}
tiny = pytest.mark.parametrize("expression", TINY.values(), ids=TINY)


def live(expression: str) -> tuple[Net, Tensor, Tensor]:
    """A network in evaluation mode, two images, and their output."""
    torch.manual_seed(1)
    net = analyzer.build(expression).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        return net, images, net(images)


COMPILED = {
    "bottlenecks, grouped, gated": "resnet:block=bottleneck,depths=2,widths=8,cardinality=2,se_reduction=4",
    "zero-padded": "resnet:block=basic,depths=1-1,widths=8-16,stem_width=8,shortcut=A,stem=cifar",
    "densely connected": "densenet:depths=2,growth_rate=4,init_features=8",
}


@pytest.mark.parametrize("expression", COMPILED.values(), ids=COMPILED)
def test_compiled_without_graph_breaks(expression: str) -> None:
    """Reference output: dynamo takes the whole network as one graph."""
    torch._dynamo.reset()  # one process compiles many networks here, past dynamo's limit for one piece of code
    net, images, output = live(expression)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(images), output)


def test_stage_outputs_are_compiled_without_graph_breaks() -> None:
    """Reference output: the stages of a compiled network."""
    torch._dynamo.reset()
    net, images, _ = live(COMPILED["densely connected"])
    compiled = torch.compile(net.stage_outputs, fullgraph=True, backend="eager")
    stages = net.stage_outputs(images)
    assert all(torch.equal(output, stages[stage]) for stage, output in compiled(images).items())


@tiny
def test_exported_with_any_batch(expression: str) -> None:
    """Reference output: torch.export's program, exported at batch 2 and run at batch 3."""
    net, images, _ = live(expression)
    program = torch.export.export(net, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    more = torch.randn(3, 3, 32, 32)
    assert torch.equal(program.module()(more), net(more))


@tiny
def test_symbolically_traced(expression: str) -> None:
    """Reference output: torch.fx's module, which calls every op's module by its path."""
    net, images, output = live(expression)
    traced = torch.fx.symbolic_trace(net)
    assert torch.equal(traced(images), output)
    called = {node.target for node in traced.graph.nodes if node.op == "call_module"}
    assert {path for path, module in net.named_modules() if isinstance(module, nn.Conv2d)} <= called


@tiny
def test_channels_last_and_autocast(expression: str) -> None:
    """Reference output: another memory layout differs by rounding only; autocast computes in bfloat16."""
    net, images, output = live(expression)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        halved = net(images)
    assert halved.dtype == torch.bfloat16
    torch.testing.assert_close(halved.float(), output, rtol=0.1, atol=0.1)
    swapped = net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(swapped(images.to(memory_format=torch.channels_last)), output, rtol=1e-5, atol=1e-5)


@tiny
def test_copies_and_pickles_keep_every_ability(expression: str) -> None:
    """Reference output: a deep copy and a pickle give the same output and stages, with weights of their own."""
    net, images, output = live(expression)
    stages = net.stage_outputs(images)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(images), output)
        assert all(torch.equal(value, stages[stage]) for stage, value in twin.stage_outputs(images).items())
        assert next(twin.parameters()) is not next(net.parameters())


@pytest.mark.parametrize("name", EVERY_KIND)
def test_stage_outputs_have_the_tables_names_and_shapes(name: str) -> None:
    """Closed form: every stage of the table under its name, in its order, with its output shape, on `meta`."""
    net, analysis = analyzer.build(name, device="meta"), analyzer.analyze(name)
    with NormByShapes():
        found = net.stage_outputs(torch.empty(2, *analysis.input_shape, device="meta"))
    assert [(stage, tuple(output.shape[1:])) for stage, output in found.items()] == [
        (row.stage, row.output_shape) for row in analysis.stages
    ]
    assert net.stages == tuple(row.stage for row in analysis.stages)


@tiny
def test_stage_outputs_are_what_hooks_see(expression: str) -> None:
    """Measured: a hook on the module that ends each stage; the last stage's output is the network's."""
    net, images, output = live(expression)
    seen: dict[str, Tensor] = {}
    for stage, path in net.stage_ends.items():
        net.get_submodule(path).register_forward_hook(
            lambda _, __, value, stage=stage: seen.__setitem__(stage, value.clone())
        )
    net(images)
    found = net.stage_outputs(images)
    assert all(torch.equal(found[stage], value) for stage, value in seen.items())
    assert torch.equal(found["head"], output)


def test_stage_outputs_stop_after_the_last_stage_asked_for() -> None:
    """Measured: what lies behind it does not run; an unknown stage is one sentence."""
    net, images, _ = live(TINY["pre-activation"])
    ran: list[str] = []
    for path in ("layer1", "layer2", "norm"):
        net.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.append(path))
    assert list(net.stage_outputs(images, ["stage1", "stem"])) == ["stage1", "stem"]
    assert ran == ["layer1"]
    assert net.stage_outputs(images, []) == {}
    with pytest.raises(InvalidInput, match=r"^stage 'stage9': must be one of stem, stage1, stage2, head\.$"):
        net.stage_outputs(images, ["stage9"])


@tiny
def test_features_and_head_make_the_network(expression: str) -> None:
    """Reference output: the head applied to the features is the network; the features are the pool's input."""
    net, images, output = live(expression)
    features = net.forward_features(images)
    assert features.dim() == 4
    assert torch.equal(net.forward_head(features), output)


def test_features_are_timms_and_torchvisions() -> None:
    """Reference output: torchvision's `features` of a DenseNet, after the ReLU that its forward applies."""
    net = analyzer.build("densenet121").eval()
    reference = torchvision.models.densenet121().eval()
    reference.load_state_dict(net.state_dict())
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(net.forward_features(image), reference.features(image).relu())


def test_features_of_a_headless_network_are_its_output() -> None:
    net = analyzer.build("resnet:block=basic,depths=1,head=none").eval()
    image = torch.randn(1, 3, 32, 32)
    features = net.forward_features(image)
    assert torch.equal(features, net(image))
    assert net.forward_head(features) is features


def test_a_head_that_reads_around_its_pool_has_no_features_of_its_own() -> None:
    """Closed form: where the head reads two values, cutting it before the pool would lose one."""
    nodes = (
        *sequence(("conv", Conv2d(3, 4, 1)), stage="stem"),
        *sequence(("pool", GlobalAvgPool2d()), ("flat", Flatten()), ("fc", Linear(4, 4)), after="conv", stage="head"),
    )
    net = analyzer.build(Graph("net", nodes))
    assert net.num_feature_steps == 1
    straight = analyzer.build(Graph("net", (Node("pool", GlobalAvgPool2d(), (INPUT,), "head"), *_after_pool())))
    image = torch.randn(1, 3, 4, 4)
    assert straight.forward_features(image) is image
    assert torch.equal(straight.forward_head(image), straight(image))


def _after_pool() -> list[Node]:
    return sequence(("flat", Flatten()), ("fc", Linear(3, 2)), after="pool", stage="head")


def test_no_stage_overwrites_the_output_of_the_one_before() -> None:
    """Measured: a ReLU that begins a stage leaves the stage before it whole."""
    nodes = (
        *sequence(("conv", Conv2d(3, 4, 1)), ("bn", BatchNorm2d(4)), stage="stage1"),
        *sequence(("relu", ReLU()), ("fold", Conv2d(4, 4, 1)), ("relu2", ReLU()), after="bn", stage="stage2"),
    )
    net = analyzer.build(Graph("net", nodes)).eval()
    image = torch.randn(1, 3, 4, 4)
    assert net.stage_outputs(image)["stage1"].min() < 0
    assert [module.inplace for module in net.modules() if isinstance(module, nn.ReLU)] == [False, True]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_zero_init_residual_zeroes_what_torchvision_does(name: str) -> None:
    """Reference: the scales that are zero are torchvision's."""
    reference = torchvision.models.get_model(name, zero_init_residual=True)
    zeroed = {path for path, weight in reference.named_parameters() if "bn" in path and not weight.any()}
    net = analyzer.build(name, zero_init_residual=True)
    found = {path for path, weight in net.named_parameters() if path.endswith("weight") and not weight.any()}
    assert found == {path for path in zeroed if path.endswith("weight")}


@pytest.mark.parametrize("name", ["pre-activation", "bottlenecks, grouped, gated", "zero-padded"])
def test_zero_init_residual_makes_blocks_their_shortcuts(name: str) -> None:
    """Reference output: every identity block gives its input, up to the ReLU after the addition."""
    net = analyzer.build(TINY[name], zero_init_residual=True).eval()
    features = torch.rand(1, 16 * (4 if "bottleneck" in TINY[name] else 1), 8, 8)
    assert torch.equal(net.get_submodule("layer2.1")(features), features)


def test_vgg_starts_as_its_rule_in_torchvision_says() -> None:
    """Reference: torchvision's VGG, run on small weights: convolutions by fan-out, linear layers 0.01, biases zero."""
    torch.manual_seed(0)
    state = analyzer.build("vgg:config=8-M,num_classes=7").state_dict()
    spreads = {"features.0.weight": (2 / (8 * 9)) ** 0.5, "classifier.0.weight": 0.01, "classifier.6.weight": 0.01}
    for key, spread in spreads.items():
        assert state[key].std().item() == pytest.approx(spread, rel=0.1), key
    assert not any(value.any() for key, value in state.items() if key.endswith("bias"))


def test_alexnet_starts_as_torchvisions() -> None:
    """Reference: each weight's initial spread is that of torchvision's AlexNet, torch's default, to sampling error."""
    torch.manual_seed(0)
    ours, theirs = analyzer.build("alexnet:num_classes=5").state_dict(), torchvision.models.alexnet(num_classes=5)
    for key, weight in theirs.state_dict().items():
        if weight.numel() > 60:
            assert ours[key].std().item() == pytest.approx(weight.std().item(), rel=0.15), key
