"""The other identities of these networks, each proved at its places in one network, or told why it has none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.families.folding import foldable
from analyzer.families.network import Network
from analyzer.graph import Graph, leaf_ops
from analyzer.live import identities_named as named
from analyzer.live.identities_convolution import (
    block_diagonal,
    concat,
    concat_sites,
    grouped_sites,
    linear,
    linear_sites,
    zero_pad,
    zero_pad_sites,
)
from analyzer.live.identities_fold import fold, fuse, fuse_sites
from analyzer.live.identities_ground import Found, Ground, images_maker
from analyzer.live.identities_norm import bias, frozen, normalises
from analyzer.live.identities_residual import (
    costs,
    has_changed_sums,
    pre_activation,
    preactivated_sites,
    residual_sites,
    versions,
    versions_of,
    zero_transform,
)
from analyzer.live.identities_sites import Site, blocks, has_batch_norm, normed_sites, parts, strided
from analyzer.live.proof import Comparison, Control, Identity
from analyzer.ops import BatchNorm2d, Concat

DTYPES = ("float64", "float32")
"""Types in which they are proved; in shorter ones a bound says little."""


class Proved(NamedTuple):
    """The identities, with what they have of this network, and their rows and controls."""

    identities: tuple[Identity, ...]
    rows: tuple[Comparison, ...]
    controls: tuple[Control, ...]


class _Entry(NamedTuple):
    """An identity, its places in a network, how it is proved at one, and why there may be none."""

    identity: Identity
    sites: Callable[[Network], list[Site]]
    prove: Callable[[Ground, Site], Iterator[Found]]
    reason: Callable[[Network], str]
    found: Callable[[Network], str] = lambda _: ""


def check_identities(resolved: Network, dtypes: Sequence[str], seed: int) -> Proved:
    """Prove every identity that the network has a place for, in float64 and float32 if asked for; else none."""
    wanted = [dtype for dtype in dtypes if dtype in DTYPES]
    identities: list[Identity] = []
    found: list[Found] = []
    images = images_maker(resolved, seed)
    for entry in _ENTRIES if wanted else ():
        sites = entry.sites(resolved)
        if sites:
            identities.append(replace(entry.identity, found=entry.found(resolved)))
        else:
            identities.append(replace(entry.identity, reason=entry.reason(resolved)))
        for dtype in wanted:
            ground = Ground(identity=entry.identity.name, network=resolved, dtype=dtype, seed=seed, images=images)
            for site in sites:
                found += entry.prove(ground, site)
    return Proved(
        tuple(identities),
        tuple(item for item in found if isinstance(item, Comparison)),
        tuple(item for item in found if isinstance(item, Control)),
    )


def _in_graph(sites: Callable[[Graph], list[Site]]) -> Callable[[Network], list[Site]]:
    return lambda resolved: sites(resolved.graph)


def _whole(wanted: Callable[[Graph], bool]) -> Callable[[Network], list[Site]]:
    return lambda resolved: [Site("", resolved.graph, ())] if wanted(resolved.graph) else []


def _says(reason: str) -> Callable[[Network], str]:
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
    return any(isinstance(node.op, Concat) for _, part in parts(resolved.graph) for node in part.nodes)


def _no_versions(resolved: Network) -> str:
    if strided(resolved.graph):
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
        named.BLOCK_DIAGONAL, _in_graph(grouped_sites), block_diagonal, _says("None of its convolutions is grouped.")
    ),
    _Entry(named.CONCAT, _in_graph(concat_sites), concat, _says("No convolution of it reads a concatenation.")),
    _Entry(named.FOLD, _whole(lambda graph: bool(foldable(graph))), fold, _not_folding, _folding),
    _Entry(named.BIAS, _in_graph(normed_sites), bias, _not_folding),
    _Entry(named.NORMALISES, _whole(has_batch_norm), normalises, _says(_NO_NORM)),
    _Entry(
        named.FROZEN,
        _in_graph(lambda graph: blocks(graph, has_batch_norm) or normed_sites(graph)),
        frozen,
        _says(_NO_NORM),
    ),
    _Entry(named.FUSE, _in_graph(fuse_sites), fuse, _says("It has no 3×3 convolution that keeps the map's size.")),
    _Entry(named.LINEAR, _in_graph(linear_sites), linear, _says("It has no 1×1 convolution.")),
    _Entry(named.ZERO_TRANSFORM, _in_graph(residual_sites), zero_transform, _no_shortcut),
    _Entry(named.PRE_ACTIVATION, _in_graph(preactivated_sites), pre_activation, _no_sum),
    _Entry(named.ZERO_PAD, _in_graph(zero_pad_sites), zero_pad, _says("None of its shortcuts is zero-padded.")),
    _Entry(
        named.VERSIONS,
        lambda resolved: [Site("", resolved.graph, ())] if versions_of(resolved) else [],
        versions,
        _no_versions,
        _version_costs,
    ),
)
