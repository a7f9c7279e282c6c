"""The other identities: each on networks that have a place for it, its formula by hand, and faults seen."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from analyzer.families.network import network
from analyzer.graph.batch_norm_folding import fold_batch_norms, foldable
from analyzer.graph.graph import Graph, Node, leaf_ops, sequence
from analyzer.graph.ops import BatchNorm2d, Conv2d, ReLU
from analyzer.live.equivalence.forms import random_state, run, runnable_graph
from analyzer.live.identities import convolution as identities_convolution
from analyzer.live.identities import norm as identities_fold
from analyzer.live.identities import norm as identities_norm
from analyzer.live.identities import residual as identities_residual
from analyzer.live.identities.check import IdentityProofs, check_identities
from analyzer.live.identities.context import convolutions, evenly_chosen, stage_blocks
from analyzer.live.identities.convolution import block_diagonal_weight, concat_sites
from analyzer.live.identities.norm import folded_state
from analyzer.live.network.modules import ZeroPadShortcut

BASIC = "resnet:block=basic,depths=2-2,widths=4-8,stem=cifar,stem_width=4,num_classes=3"
BOTTLENECK = "resnet:block=bottleneck,depths=2-2,widths=4-8,stem=deep,stem_width=4,num_classes=3"
GROUPED = f"{BOTTLENECK},cardinality=2,base_width=64,se_reduction=4"
PREACTIVATED = f"{BASIC},preactivation=true"
ZERO_PADDED = f"{BASIC},shortcut=A"
DENSE = "densenet:depths=3-2,growth_rate=4,init_features=8,num_classes=3"
DENSE_BASIC = f"{DENSE},bottleneck_ratio=none,stem=cifar"
PLAIN = f"{BASIC},shortcut=none"
VGG = "vgg:config=4-M-8-M-8-M-8-M-8-M,batch_norm=true,num_classes=3"

EVERYWHERE = {"batch norm normalises", "frozen batch norm", "branches fuse"}
CONVOLVED = EVERYWHERE | {"batch norm folds", "bias before batch norm"}
HERE = {
    BASIC: CONVOLVED | {"1×1 = linear", "zero transform = identity"},
    BOTTLENECK: CONVOLVED | {"1×1 = linear", "zero transform = identity", "v1 and v1.5"},
    GROUPED: CONVOLVED | {"1×1 = linear", "zero transform = identity", "v1 and v1.5", "grouped = block-diagonal"},
    PREACTIVATED: CONVOLVED | {"1×1 = linear", "zero transform = identity", "pre-activation sum"},
    ZERO_PADDED: CONVOLVED | {"zero transform = identity", "zero-pad shortcut"},
    DENSE: CONVOLVED | {"1×1 = linear", "concat = sum of convolutions"},
    DENSE_BASIC: EVERYWHERE | {"1×1 = linear", "concat = sum of convolutions"},
    PLAIN: CONVOLVED,
    VGG: CONVOLVED,
    "vgg:config=4-M-8-M-8-M-8-M-8-M,num_classes=3": {"branches fuse"},
}
"""Which identities each kind of network has a place for; of all others it must say why not."""


def proved(name: str, dtypes: tuple[str, ...] = ("float64",)) -> IdentityProofs:
    return check_identities(network(name), dtypes, seed=5)


@pytest.fixture(scope="module", params=HERE)
def kind(request: pytest.FixtureRequest) -> tuple[str, IdentityProofs]:
    return request.param, proved(request.param, ("float64", "float32", "bfloat16"))


def test_each_kind_of_network_has_its_identities(kind: tuple[str, IdentityProofs]) -> None:
    """Closed form: the table above; a reason in one sentence for each of the others."""
    name, found = kind
    assert {item.name for item in found.identities if not item.reason} == HERE[name]
    assert {row.identity for row in found.rows} == HERE[name]
    assert {control.identity for control in found.controls} == HERE[name]
    assert all(item.reason.endswith(".") for item in found.identities if item.name not in HERE[name])


def test_each_holds_within_its_bound_and_sees_its_fault(kind: tuple[str, IdentityProofs]) -> None:
    """Measured: in float64 and float32, and in no other type."""
    _, found = kind
    assert [row for row in found.rows if not row.passed] == []
    assert [control for control in found.controls if not control.detected] == []
    assert {row.dtype for row in found.rows} == {"float64", "float32"}
    assert all(row.tolerance is not None and row.tolerance <= 1e-12 for row in found.rows if row.dtype == "float64")


def test_every_identity_is_shown_by_some_kind() -> None:
    """Closed form: the table above covers all twelve, and each tells title, formula and why."""
    identities = proved(PLAIN).identities
    assert {item.name for item in identities} == set().union(*HERE.values())
    assert all(item.title.endswith(".") and item.formula and item.why.endswith(".") for item in identities)


Plant = Callable[[pytest.MonkeyPatch], None]


def spoilt(place: object, name: str, wrong: Callable[..., Any]) -> Plant:
    """A function replaced by one that gets the right result first, then the arguments."""
    right = getattr(place, name)

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(place, name, lambda *given, **named: wrong(right(*given, **named), *given))

    return plant


def doubled(_: object, kept: list[torch.Tensor]) -> Callable[[object, tuple[torch.Tensor, ...]], None]:
    """A hook that keeps twice what passes."""
    return lambda _module, inputs: kept.append(2 * inputs[0])


@pytest.mark.parametrize(
    ("variant", "identity", "plant"),
    [
        (
            GROUPED,
            "grouped = block-diagonal",
            spoilt(identities_convolution, "block_diagonal_weight", lambda w, *_: w.roll(1, 0)),
        ),
        (BASIC, "1×1 = linear", spoilt(identities_convolution, "_at_each_position", lambda y, *_: y.roll(1, 2))),
        (DENSE, "concat = sum of convolutions", spoilt(identities_convolution, "sum_of", lambda y, *_: 1.001 * y)),
        (BASIC, "batch norm folds", lambda patch: patch.setattr(identities_fold, "EPSILON", 1e-3)),
        (BASIC, "frozen batch norm", lambda patch: patch.setattr(identities_norm, "EPSILON", 1e-3)),
        (BASIC, "branches fuse", spoilt(identities_fold, "_identity", lambda w, *_: 1.001 * w)),
        (
            BASIC,
            "zero transform = identity",
            spoilt(identities_residual, "_with_zero_weights", lambda state, *_: _nudged(state)),
        ),
        (
            BASIC,
            "bias before batch norm",
            spoilt(identities_norm, "_shifted_from_zero", lambda pair, *_: (pair[0] + 1, pair[1])),
        ),
        (BASIC, "batch norm normalises", lambda patch: patch.setattr(identities_norm, "EPSILON", 1e-3)),
        (PREACTIVATED, "pre-activation sum", spoilt(identities_residual, "_output_recorder", doubled)),
        (ZERO_PADDED, "zero-pad shortcut", spoilt(ZeroPadShortcut, "forward", lambda padded, *_: padded.roll(1, 1))),
        (
            BOTTLENECK,
            "v1 and v1.5",
            spoilt(identities_residual, "_layout", lambda found, graph: found | {str(graph): ()}),
        ),
    ],
    ids=lambda item: item if isinstance(item, str) and ":" not in item else "",
)
def test_a_fault_in_one_side_fails_the_identity(
    variant: str, identity: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: the right side of the formula made slightly wrong, which the error must exceed the bound for."""
    plant(monkeypatch)
    found = proved(variant)
    assert {row.identity for row in found.rows if not row.passed} >= {identity}


def _nudged(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor + 1e-9 if name.endswith("bias") else tensor for name, tensor in state.items()}


def test_a_dense_matrix_by_hand() -> None:
    """Closed form: two groups of 1×1 weights, [a b] on channels 1, 2 and [c d] on 3, 4."""
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    assert block_diagonal_weight(weight, 2)[:, :, 0, 0].tolist() == [[1, 2, 0, 0], [0, 0, 3, 4]]


def test_folding_by_hand() -> None:
    """Closed form: γ = 3, σ² + ε = 4, μ = 1, β = 5 on w = 2, b = 7: W′ = 3, b′ = 5 + (7 − 1)·1.5 = 14."""
    graph = Graph("pair", tuple(sequence(("conv", Conv2d(1, 1, 1, bias=True)), ("norm", BatchNorm2d(1)))))
    values = {"weight": 3.0, "bias": 5.0, "running_mean": 1.0, "running_var": 4 - identities_fold.EPSILON}
    state = {f"norm.{leaf}": torch.tensor([value], dtype=torch.float64) for leaf, value in values.items()}
    state |= {"conv.weight": torch.full((1, 1, 1, 1), 2.0).double(), "conv.bias": torch.tensor([7.0]).double()}
    folds = foldable(graph)
    found = folded_state(state, folds)
    assert folds == {"norm": "conv"}
    assert found["conv.weight"].item() == pytest.approx(3.0, abs=1e-15)
    assert found["conv.bias"].item() == pytest.approx(14.0, abs=1e-14)
    assert [op for _, op in leaf_ops(fold_batch_norms(graph, folds))] == [Conv2d(1, 1, 1, bias=True)]


@pytest.mark.parametrize(
    ("variant", "norms", "folds"),
    [
        ("resnet50", 53, 53),
        ("resnet50d", 55, 55),
        ("densenet121", 121, 59),
        ("resnetv2_50", 49, 32),
        ("vgg16_bn", 13, 13),
    ],
)
def test_how_many_batch_norms_fold(variant: str, norms: int, folds: int) -> None:
    """Closed form: ResNet's all; DenseNet's stem and dense layers' second, 1 + 58; v2's second and third, 2·16."""
    graph = network(variant).graph
    assert sum(isinstance(op, BatchNorm2d) for _, op in leaf_ops(graph)) == norms
    assert len(foldable(graph)) == folds


def test_a_convolution_that_is_read_twice_does_not_fold() -> None:
    """Closed form: what another op reads must stay as it is."""
    nodes = sequence(("conv", Conv2d(2, 2, 1)), ("norm", BatchNorm2d(2)))
    graph = Graph("twice", (*nodes, Node("add", _add(), ("norm", "conv"))))
    assert foldable(graph) == {}


def _add() -> Any:
    from analyzer.graph.ops import Add

    return Add()


def test_the_parts_of_a_concatenation_are_the_dense_layers() -> None:
    """Closed form: DenseNet-121's denselayer3 reads the stem's 64 channels and 32 of each layer before it."""
    found = {site.path: site.widths for site in concat_sites(network("densenet121:depths=4-1").graph)}
    assert found["features.denseblock1.denselayer3"] == (64, 32, 32)
    assert found["features.denseblock1.denselayer4"] == (64, 32, 32, 32)


def test_places_are_distinct_and_go_from_first_to_last() -> None:
    """Closed form: ten kinds, of which four are taken; equal ones count once."""
    assert [path for path, _ in evenly_chosen((str(i), i) for i in range(10))] == ["0", "3", "6", "9"]
    assert evenly_chosen([("a", 1), ("b", 1), ("c", 2)]) == [("a", 1), ("c", 2)]
    paths = [path for path, _ in stage_blocks(network(BASIC).graph)]
    assert paths == ["layer1.0", "layer1.1", "layer2.0", "layer2.1"]
    assert [site.path for site in convolutions(network(BASIC).graph, lambda conv: conv.kernel == 1)] == [
        "layer2.0.downsample.0"
    ]


def test_v1_and_v15_tell_their_costs() -> None:
    """Published: torchvision's v1.5 of ResNet-50 has 4,089,184,256 MACs; He et al.'s v1 3.8·10⁹ multiply-adds."""
    item = next(item for item in proved_versions("resnet50") if item.name == "v1 and v1.5")
    assert "4,089,184,256" in item.found
    assert "25,557,032 parameters each" in item.found
    assert "3,857,973,248" in item.found


def proved_versions(name: str) -> Iterator[Any]:
    from analyzer.live.identities import check as identities

    resolved = network(name)
    entry = next(entry for entry in identities._ENTRIES if entry.identity.name == "v1 and v1.5")
    yield replace(entry.identity, found=entry.facts(resolved))


def test_folded_network_is_the_network_with_fewer_ops() -> None:
    """Reference output: torch's own functions on a three-op network folded by hand in float64."""
    graph = Graph(
        "net", tuple(sequence(("conv", Conv2d(2, 3, 3, padding=1)), ("norm", BatchNorm2d(3)), ("relu", ReLU())))
    )
    generator = torch.Generator().manual_seed(1)
    state = random_state(graph, generator)
    images = torch.empty(2, 2, 5, 5, dtype=torch.float64).normal_(generator=generator)
    folds = foldable(graph)
    output = run(runnable_graph(fold_batch_norms(graph, folds)), folded_state(state, folds), images, training=False)
    mean, var, scale, shift = (state[f"norm.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias"))
    convolved = functional.conv2d(images, state["conv.weight"], padding=1)
    expected = functional.batch_norm(convolved, mean, var, scale, shift)
    assert torch.allclose(output, expected.relu(), rtol=0, atol=1e-13)
