"""The other identities of these networks, each proved at its sites in one network, or the reason for none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.families.network import Network
from analyzer.graph.batch_norm_folding import foldable
from analyzer.graph.graph import Graph, leaf_ops
from analyzer.graph.ops import BatchNorm2d, Concat
from analyzer.live.equivalence.proof import FaultControl, Identity, TensorComparison
from analyzer.live.identities.context import (
    Finding,
    ProofContext,
    Site,
    blocks,
    has_batch_norm,
    has_strided_bottleneck,
    images_maker,
    nested_graphs,
    normed_sites,
)
from analyzer.live.identities.convolution import (
    block_diagonal,
    concat,
    concat_sites,
    grouped_sites,
    linear,
    linear_sites,
    zero_pad,
    zero_pad_sites,
)
from analyzer.live.identities.norm import bias, fold, frozen, fuse, fuse_sites, normalises
from analyzer.live.identities.residual import (
    costs,
    has_changed_sums,
    pre_activation,
    preactivated_sites,
    residual_sites,
    versions,
    versions_of,
    zero_transform,
)

BLOCK_DIAGONAL = Identity(
    name="grouped = block-diagonal",
    title="A grouped convolution is a dense one whose weights are block-diagonal.",
    formula="W *_C x = diag(W⁽¹⁾, …, W⁽ᶜ⁾) * x",
    why="Group i reads and writes the channels of group i alone, so every weight between two groups is zero.",
)
CONCAT = Identity(
    name="concat = sum of convolutions",
    title="A convolution over a concatenation is the sum of the convolutions of its parts.",
    formula="W * [x₁; …; x_n] = Σᵢ Wᵢ * xᵢ",
    why="A convolution sums over input channels, and the sum may be taken part by part (batch norm and ReLU before it "
    "act on each channel alone), so DenseNet's concatenation never needs to be stored.",
)
FOLD = Identity(
    name="batch norm folds",
    title="In evaluation mode batch norm is an affine map, and folds into the convolution before it.",
    formula="W′ = γ/√(σ²+ε) · W,  b′ = β + (b − μ)·γ/√(σ²+ε)",
    why="With fixed statistics it multiplies each channel by a constant and adds one, which a convolution's weights "
    "and bias can do as well.",
)
BIAS = Identity(
    name="bias before batch norm",
    title="A bias before batch norm changes nothing in training mode.",
    formula="BN(W * x + b) = BN(W * x),  ∂L/∂b = 0,  μ moves by b",
    why="The batch's mean contains the bias, and subtracting that mean takes it away again.",
)
NORMALISES = Identity(
    name="batch norm normalises",
    title="Batch norm gives each channel mean β and variance γ²·σ²/(σ²+ε) over N, H, W; layer norm does so for "
    "each image over C, H, W.",
    formula="y_c = γ_c·(x_c − μ_c)/√(σ_c²+ε) + β_c,  μ_c and σ_c² over (N, H, W)",
    why="Subtracting a set's mean and dividing by its deviation leaves mean 0 and variance 1 over that same set, and "
    "over no other.",
)
FROZEN = Identity(
    name="frozen batch norm",
    title="Frozen batch norm is affine while the rest is trained, and leaves its statistics alone.",
    formula="y = s·x + t,  s = γ/√(σ²+ε),  t = β − μ·s,  ∂y/∂x = s",
    why="In evaluation mode it reads the stored statistics and not the batch, so no image depends on another and none "
    "is averaged in.",
)
FUSE = Identity(
    name="branches fuse",
    title="A 3×3, a 1×1 and an identity branch with batch norms fuse into one 3×3 (RepVGG, Ding et al. 2021).",
    formula="BN₃(W₃*x) + BN₁(W₁*x) + BN₀(x) = (W₃′ + pad(W₁′) + γ₀/√(σ₀²+ε)·I) * x + Σ b′",
    why="Each batch norm folds, a 1×1 is a 3×3 with zeros around it, the identity is a 1×1 with weights I, and "
    "convolutions of one input add up by their weights.",
)
LINEAR = Identity(
    name="1×1 = linear",
    title="A 1×1 convolution is one linear layer applied at each position.",
    formula="(W * x)[n, :, h, w] = W · x[n, :, s·h, s·w]",
    why="A window of one pixel sees no neighbours, so all that is left is a product over channels.",
)
ZERO_TRANSFORM = Identity(
    name="zero transform = identity",
    title="A residual block whose transform is zero is the identity.",
    formula="F = 0  ⇒  σ(x + F(x)) = σ(x) = x for x ≥ 0",
    why="The shortcut hands the input on, and a ReLU does not change what came out of a ReLU; a "
    "plain block would give 0.",
)
PRE_ACTIVATION = Identity(
    name="pre-activation sum",
    title="With pre-activation, a block's output is an earlier input plus all transforms between.",
    formula="x_L = x_l + Σᵢ F(xᵢ),  i = l … L−1",
    why="Nothing stands on the identity shortcut, so each block adds to what it was given (He et al. 2016, "
    "equation 4).",
)
ZERO_PAD = Identity(
    name="zero-pad shortcut",
    title="Shortcut A is a 1×1 convolution with stride s and the fixed weights [I; 0]: no parameters, no MACs.",
    formula="A(x) = [I; 0] *_s x",
    why="Keeping every s-th position is what stride means, and channels of zeros are what rows of zeros make.",
)
VERSIONS = Identity(
    name="v1 and v1.5",
    title="v1 and v1.5 have the same weights by name and shape, and neither the same MACs nor the same function.",
    formula="stride on the 1×1 or on the 3×3: W unchanged, H·W of one convolution a quarter",
    why="A stride is no weight; it decides how many positions the weights are used at, and which.",
)


DTYPES = ("float64", "float32")
"""Types in which they are proved; in shorter ones a bound says little."""


class IdentityProofs(NamedTuple):
    """The identities with their facts of this network, and their rows and controls."""

    identities: tuple[Identity, ...]
    rows: tuple[TensorComparison, ...]
    controls: tuple[FaultControl, ...]


class _Entry(NamedTuple):
    """An identity, its sites in a network, its proof at one, the reason where there are none, and facts to add."""

    identity: Identity
    sites: Callable[[Network], list[Site]]
    prove: Callable[[ProofContext, Site], Iterator[Finding]]
    reason: Callable[[Network], str]
    facts: Callable[[Network], str] = lambda _: ""


def check_identities(resolved: Network, dtypes: Sequence[str], seed: int) -> IdentityProofs:
    """Prove every identity that applies to the network, in those of float64 and float32 that `dtypes` has."""
    proved_dtypes = [dtype for dtype in dtypes if dtype in DTYPES]
    identities: list[Identity] = []
    findings: list[Finding] = []
    images = images_maker(resolved, seed)
    for entry in _ENTRIES if proved_dtypes else ():
        sites = entry.sites(resolved)
        if sites:
            identities.append(replace(entry.identity, found=entry.facts(resolved)))
        else:
            identities.append(replace(entry.identity, reason=entry.reason(resolved)))
        for dtype in proved_dtypes:
            context = ProofContext(
                identity=entry.identity.name, network=resolved, dtype=dtype, seed=seed, images=images
            )
            for site in sites:
                findings += entry.prove(context, site)
    return IdentityProofs(
        tuple(identities),
        tuple(item for item in findings if isinstance(item, TensorComparison)),
        tuple(item for item in findings if isinstance(item, FaultControl)),
    )


def _in_graph(sites: Callable[[Graph], list[Site]]) -> Callable[[Network], list[Site]]:
    return lambda resolved: sites(resolved.graph)


def _network_site(applies: Callable[[Graph], bool]) -> Callable[[Network], list[Site]]:
    return lambda resolved: [Site("", resolved.graph, ())] if applies(resolved.graph) else []


def _constant_reason(reason: str) -> Callable[[Network], str]:
    return lambda _: reason


_NO_NORM = "It has no batch norm."
_CHANGED = "What follows each addition changes it, so a block does not hand on its input, and no output is a mere sum."


def _not_folding(resolved: Network) -> str:
    if not has_batch_norm(resolved.graph):
        return _NO_NORM
    return "Each of its batch norms follows an addition or a concatenation, not a convolution alone."


def _folding(resolved: Network) -> str:
    norms = sum(isinstance(op, BatchNorm2d) for _, op in leaf_ops(resolved.graph))
    folds = len(foldable(resolved.graph))
    rest = "" if folds == norms else "; the others do not follow a convolution alone, and stay"
    return f"{folds} of {norms} batch norms fold{rest}"


def _no_shortcut(resolved: Network) -> str:
    if _concatenates(resolved):
        return "Its dense layers are concatenated to their input and not added, which hands the input on in any case."
    if has_changed_sums(resolved.graph):
        return _CHANGED
    return "It has no identity shortcut, so a zero transform gives zero."


def _no_sum(resolved: Network) -> str:
    if residual_sites(resolved.graph):
        return "A ReLU follows each addition, so an output is not a sum of what went before."
    if has_changed_sums(resolved.graph):
        return _CHANGED
    if _concatenates(resolved):
        return "Its dense layers are concatenated and not added."
    return "It has no identity shortcuts to sum along."


def _concatenates(resolved: Network) -> bool:
    return any(isinstance(node.op, Concat) for _, part in nested_graphs(resolved.graph) for node in part.nodes)


def _no_versions(resolved: Network) -> str:
    if has_strided_bottleneck(resolved.graph):
        return "Its family has the stride on the 3×3 alone."
    return "It has no bottleneck that strides, so there is no 1×1 to move a stride to."


def _version_costs(resolved: Network) -> str:
    pair = versions_of(resolved)
    if pair is None:
        return ""
    (params, macs), (_, macs15) = map(costs, pair)
    return f"{params:,} parameters each; {macs:,} MACs with the stride on the 1×1, {macs15:,} on the 3×3"


_ENTRIES = (
    _Entry(
        BLOCK_DIAGONAL,
        _in_graph(grouped_sites),
        block_diagonal,
        _constant_reason("None of its convolutions is grouped."),
    ),
    _Entry(CONCAT, _in_graph(concat_sites), concat, _constant_reason("No convolution of it reads a concatenation.")),
    _Entry(FOLD, _network_site(lambda graph: bool(foldable(graph))), fold, _not_folding, _folding),
    _Entry(BIAS, _in_graph(normed_sites), bias, _not_folding),
    _Entry(NORMALISES, _network_site(has_batch_norm), normalises, _constant_reason(_NO_NORM)),
    _Entry(
        FROZEN,
        _in_graph(lambda graph: blocks(graph, has_batch_norm) or normed_sites(graph)),
        frozen,
        _constant_reason(_NO_NORM),
    ),
    _Entry(FUSE, _in_graph(fuse_sites), fuse, _constant_reason("It has no 3×3 convolution that keeps the map's size.")),
    _Entry(LINEAR, _in_graph(linear_sites), linear, _constant_reason("It has no 1×1 convolution.")),
    _Entry(ZERO_TRANSFORM, _in_graph(residual_sites), zero_transform, _no_shortcut),
    _Entry(PRE_ACTIVATION, _in_graph(preactivated_sites), pre_activation, _no_sum),
    _Entry(ZERO_PAD, _in_graph(zero_pad_sites), zero_pad, _constant_reason("None of its shortcuts is zero-padded.")),
    _Entry(
        VERSIONS,
        lambda resolved: [Site("", resolved.graph, ())] if versions_of(resolved) else [],
        versions,
        _no_versions,
        _version_costs,
    ),
)
