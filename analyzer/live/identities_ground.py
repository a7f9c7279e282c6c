"""What the proofs of the single identities share: random tensors, rows and controls, for one dtype."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import torch
from torch import Tensor

from analyzer.cost.walk import walk
from analyzer.families.network import Network
from analyzer.graph import Graph
from analyzer.live import equivalence_network
from analyzer.live.comparison import DTYPES, compared, difference
from analyzer.live.forms import Runnable, State, copied, random_state, whole
from analyzer.live.identities_sites import BATCH_SIZE, Site
from analyzer.live.proof import Comparison, Control
from analyzer.live.rounding import tolerance

Found = Comparison | Control
Images = tuple[Runnable, equivalence_network.Ground]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One identity of one network, in one dtype and from one seed; `images` makes what whole networks are run on."""

    identity: str
    network: Network
    dtype: str
    seed: int
    images: Callable[[], Images]

    @property
    def type(self) -> torch.dtype:
        """Torch's own word for the dtype."""
        return DTYPES[self.dtype]

    def generator(self, path: str) -> torch.Generator:
        """The random numbers of one place, the same whatever else was proved."""
        return torch.Generator().manual_seed(self.seed + crc32(f"{self.identity} {path}".encode()))

    def features(self, generator: torch.Generator, *shape: int) -> Tensor:
        """Normally distributed numbers in the dtype."""
        return torch.empty(shape).normal_(generator=generator).to(self.type)

    def batch(self, site: Site, generator: torch.Generator) -> Tensor:
        """A batch of the site's inputs."""
        return self.features(generator, BATCH_SIZE, *site.shape)

    def state(self, graph: Graph, generator: torch.Generator) -> State:
        """Random weights and statistics in the dtype."""
        return copied(random_state(graph, generator), self.type)

    def tolerance(self, site: Site, *, training: bool = False, gradient: bool = False) -> float:
        """The bound on rounding for this part of the network."""
        rows = walk(site.graph, site.shape).rows
        return tolerance(rows, self.dtype, batch_size=BATCH_SIZE, training=training, gradient=gradient)

    def row(
        self,
        path: str,
        what: str,
        pairs: dict[str, tuple[Tensor, Tensor]],
        tolerance: float,
        mode: str = "eval",
    ) -> Comparison:
        """A row about the worst of some tensors, each beside its reference."""
        return compared(
            pairs,
            identity=self.identity,
            block=path,
            what=what,
            dtype=self.dtype,
            mode=mode,
            tolerance=tolerance,
        )

    def control(self, path: str, fault: str, one: Tensor, reference: Tensor, tolerance: float) -> Control:
        """A fault whose tensor must differ from the reference."""
        return Control(
            fault=fault,
            identity=self.identity,
            block=path,
            dtype=self.dtype,
            max_rel=difference(one.detach(), reference.detach()).max_rel,
            tolerance=tolerance,
        )


def images_maker(network: Network, seed: int) -> Callable[[], Images]:
    """What makes the whole network, ready to run, and weights and images that suit each other, in float64; once."""

    @cache
    def made() -> Images:
        net = whole(network.graph)
        return net, equivalence_network.ground(net, equivalence_network.small_shape(network), seed)

    return made


def network_tolerance(ground: Ground, given: equivalence_network.Ground, *, training: bool) -> float:
    """The bound on rounding through all of the network's ops."""
    return tolerance(given.rows, ground.dtype, batch_size=len(given.images), training=training, gradient=False)
