"""What a drawing covers: a whole network, one of its stages, or what is at a weight path."""

from dataclasses import dataclass
from functools import cached_property

from analyzer.cost.analysis import Analysis
from analyzer.cost.places import place_at
from analyzer.errors import InvalidInput, shortened
from analyzer.graph import Graph
from analyzer.render.diagram_costs import SUMMED, Ledger
from analyzer.render.diagram_fold import Group, Placed, groups
from analyzer.render.diagram_look import DEFAULT, Look
from analyzer.render.units import shape, short, stage_words
from analyzer.render.words import stage_contents


@dataclass(frozen=True, kw_only=True)
class View:
    """The groups of nodes to draw, with the ledger of the network's costs; `part` is "" for the whole network."""

    ledger: Ledger
    groups: tuple[Group, ...]
    part: str = ""

    @property
    def look(self) -> Look:
        """The drawing's choices."""
        return self.ledger.look

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Weight paths of all that is drawn."""
        return tuple(node.path for group in self.groups for node in group.nodes)

    @property
    def words(self) -> str:
        """The part in words, where it is one."""
        return stage_words(self.part) if all(group.stage == self.part for group in self.groups) else self.part

    @property
    def num_ops(self) -> int:
        """Ops that the drawing stands for."""
        return sum(stop - start for start, stop in self.ledger.extents(self.paths))

    @property
    def title(self) -> str:
        """The network's name, the part's, the input it reads, and the costs of all that is drawn."""
        rows = self.ledger.rows(self.paths)
        params, macs = (short(sum(map(SUMMED[name][0], rows))) for name in ("params", "macs"))
        network = self.ledger.analysis.network.title
        name = f"{network}, {self.words}" if self.part else network
        return f"{name} · input {shape(rows[0].input_shapes[0])} · {params} params · {macs} MACs"

    @property
    def description(self) -> str:
        """The drawing in words, for those who hear it."""
        analysis = self.ledger.analysis
        drawn = {group.stage for group in self.groups}
        stages = [row for row in analysis.stages if row.stage in drawn]
        return "; ".join(
            f"{stage_words(row.stage)}: {stage_contents(analysis, row, analysis.blocks)}" for row in stages
        )


def view(analysis: Analysis, look: Look = DEFAULT, stage: str | None = None, path: str | None = None) -> View:
    """The whole network, one stage ("stage3", "stem") or what is at a weight path; InvalidInput for another name."""
    if stage is not None and path is not None:
        raise InvalidInput("diagram: give either a stage or a path, since a path tells its stage.")
    ledger = Ledger(analysis, look)
    whole = groups(analysis.network.graph)
    if stage is not None:
        return View(ledger=ledger, groups=_in_stage(whole, stage), part=stage)
    if path is not None and place_at(analysis, path or " ").path in {group.stage for group in whole}:
        return View(ledger=ledger, groups=_in_stage(whole, path), part=path)
    if path is not None:
        return View(ledger=ledger, groups=tuple(_at_path(analysis, whole, path)), part=path)
    return View(ledger=ledger, groups=tuple(whole))


def _in_stage(whole: list[Group], stage: str) -> tuple[Group, ...]:
    found = tuple(group for group in whole if group.stage == stage)
    if not found:
        names = ", ".join(dict.fromkeys(group.stage for group in whole if group.stage))
        raise InvalidInput(f"stage {shortened(stage)!r} is not in this network; its stages are {names}.")
    return found


def _at_path(analysis: Analysis, whole: list[Group], path: str) -> list[Group]:
    for group in whole:
        if len(group.nodes) == 1 and group.nodes[0].path == path:
            return [group]
    placed = _placed(analysis.network.graph, path)
    if isinstance(placed.op, Graph) and any(node.stage for node in placed.op.nodes):
        return groups(placed.op, f"{path}.")
    return [Group(path, placed.stage, (placed,))]


def _placed(graph: Graph, path: str, prefix: str = "", stage: str = "") -> Placed:
    """The node at a path that is there; its inputs are names beside it."""
    name, _, rest = path.partition(".")
    node = next(node for node in graph.nodes if node.name == name)
    if isinstance(node.op, Graph) and rest:
        return _placed(node.op, rest, f"{prefix}{name}.", node.stage or stage)
    return Placed(f"{prefix}{name}", node.stage or stage, node.op, node.inputs)
