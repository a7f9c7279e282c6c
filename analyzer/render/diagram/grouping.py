"""What a diagram draws once: sections of a network, units of a Graph, runs of equal units, residual blocks.

A network of 200 layers is drawn with a few boxes, by three foldings, none of which knows a family:

- `network_sections`: nodes of one stage that follow one another are drawn together (a stem, a stage, a head).
- `segments`: a Graph is cut wherever a single tensor is passed on, so that a unit has one way in and one way out: a
  block, an op, or a dense layer with the concatenation that it feeds.
- `equal_runs`: neighbouring units that are equal are drawn once, with how often. Equal means the same ops wired alike;
  the layers of a dense block count as equal, too, though each reads more channels than the one before.

The second stage of ResNet-50 is its first block, which strides and projects, and three equal ones; DenseNet-121's first
dense block is six layers, each with its concatenation:

    >>> from analyzer.families.network import network
    >>> graphs = [network(name).graph for name in ("resnet50", "densenet121")]
    >>> stages = [section.whole for graph in graphs for section in network_sections(graph)]
    >>> _, second, _, _, dense, *_ = [stage for stage in stages if stage]
    >>> [[unit[0].name for unit in run] for run in equal_runs(second)]
    [['0'], ['1', '2', '3']]
    >>> [[node.name for node in unit] for unit in segments(dense)][:2], [len(run) for run in equal_runs(dense)]
    ([['denselayer1', 'concat1'], ['denselayer2', 'concat2']], [6])

`residual_parts` opens a block into transform, shortcut and addition:

    >>> block = residual_parts(second.nodes[0].op)
    >>> block.flow, [node.name for node in block.shortcut], [node.name for node in block.after]
    ('projection', ['downsample'], ['relu3'])
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput, shortened
from analyzer.explanation.figures import section_at
from analyzer.graph.graph import INPUT, Graph, Node
from analyzer.graph.ops import Add, Concat, Conv2d, Norm, Op, ZeroPadShortcut
from analyzer.render.diagram.labels import ADDITIVE_COSTS, CostsByPath
from analyzer.render.diagram.picture import Flow
from analyzer.render.diagram.style import DEFAULT_STYLE, DiagramStyle
from analyzer.render.notation import stage_contents
from analyzer.text.units import shape, short, stage_label


class PathNode(NamedTuple):
    """A node with its full weight path; `inputs` are full paths, too, or INPUT for the network's input."""

    path: str
    stage: str
    op: Op | Graph
    inputs: tuple[str, ...]


class DiagramSection(NamedTuple):
    """Nodes drawn together: a stage, or a chain of ops; `name` is the stage word where the section is all of it."""

    name: str
    stage: str
    nodes: tuple[PathNode, ...]

    @property
    def whole(self) -> Graph | None:
        """The stage's Graph, where the section is a stage of blocks."""
        op = self.nodes[0].op
        return op if isinstance(op, Graph) and op.kind == "stage" else None


def network_sections(graph: Graph, prefix: str = "") -> list[DiagramSection]:
    """The network, or the sub-graph at `prefix`, from stem to head; graphs that only hold sections are opened."""
    nodes, _ = _section_nodes(graph, prefix, "", INPUT)
    readers = Counter(name for node in nodes for name in node.inputs)
    sections = []
    for stage, stage_nodes in groupby(nodes, lambda node: node.stage):
        chains = list(_chains(list(stage_nodes), readers))
        for chain in chains:
            name = stage if stage and len(chains) == 1 else chain[0].path
            sections.append(DiagramSection(name, stage, tuple(chain)))
    return sections


def _chains(nodes: list[PathNode], readers: Counter[str]) -> Iterator[list[PathNode]]:
    """Runs of nodes of which each reads only the one before and is read by nothing else; a stage stands alone."""
    chain: list[PathNode] = []
    for node in nodes:
        follows = chain and node.inputs == (chain[-1].path,) and readers[chain[-1].path] == 1
        if chain and (not follows or _is_stage(node.op) or _is_stage(chain[-1].op)):
            yield chain
            chain = []
        chain.append(node)
    yield chain


def _is_stage(op: Op | Graph) -> bool:
    return isinstance(op, Graph) and op.kind == "stage"


def _section_nodes(graph: Graph, prefix: str, stage: str, entry: str) -> tuple[list[PathNode], str]:
    nodes: list[PathNode] = []
    outputs = {INPUT: entry}
    for node in graph.nodes:
        path, word = f"{prefix}{node.name}", node.stage or stage
        inputs = tuple(outputs[name] for name in node.inputs)
        if isinstance(node.op, Graph) and not word and any(inner.stage for inner in node.op.nodes):
            inner_nodes, outputs[node.name] = _section_nodes(node.op, f"{path}.", word, inputs[0])
            nodes += inner_nodes
        else:
            nodes.append(PathNode(path, word, node.op, inputs))
            outputs[node.name] = path
    return nodes, outputs[graph.nodes[-1].name]


Segment = tuple[Node, ...]
"""Neighbouring nodes of a Graph that read one tensor from before and yield one to what follows."""


def segments(graph: Graph) -> list[Segment]:
    """A Graph's nodes cut wherever a single tensor is passed on: a block, an op, or a dense layer with its concat."""
    last_use = {name: index for index, node in enumerate(graph.nodes) for name in node.inputs}
    units: list[Segment] = []
    start, alive = 0, last_use.get(INPUT, -1)
    for index, node in enumerate(graph.nodes):
        if alive <= index:
            units.append(graph.nodes[start : index + 1])
            start = index + 1
        alive = max(alive, last_use.get(node.name, -1))
    return units


def equal_runs(graph: Graph) -> Iterator[list[Segment]]:
    """Neighbouring units that are equal, or dense layers that differ in nothing but their input channels."""
    entry = INPUT
    keyed = []
    for unit in segments(graph):
        keyed.append((_segment_key(unit, entry), unit))
        entry = unit[-1].name
    for _, group in groupby(keyed, lambda item: item[0]):
        yield [unit for _, unit in group]


def _segment_key(unit: Segment, entry: str) -> tuple[object, ...]:
    """What makes units equal: ops, and inputs counted from the unit's start."""
    indices = {entry: -1} | {node.name: index for index, node in enumerate(unit)}
    widens = isinstance(unit[-1].op, Concat) and entry in unit[-1].inputs
    ops = [_dense_layer_key(node.op) if widens and node.inputs == (entry,) else node.op for node in unit]
    return tuple((op, tuple(indices[name] for name in node.inputs)) for op, node in zip(ops, unit, strict=True))


def _dense_layer_key(op: Op | Graph) -> object:
    """A dense layer without its number of input channels; the channels inside it follow from what its ops make."""
    if not isinstance(op, Graph):
        return op
    return op.kind, tuple((node.name, _op_key(node.op), node.inputs) for node in op.nodes)


def _op_key(op: Op | Graph) -> object:
    match op:
        case Conv2d(groups=1):
            return _but_in_channels(op)
        case Norm():
            return type(op), *[getattr(op, field.name) for field in fields(op) if field.name != "channels"]
        case _:
            return op


_but_in_channels = attrgetter(*[field.name for field in fields(Conv2d) if field.name != "in_channels"])


class ResidualParts(NamedTuple):
    """A block as transform, shortcut (nothing where it is the identity) and add.

    `before` is what both read, BN and ReLU with pre-activation; `after` follows the add.
    """

    before: tuple[Node, ...]
    transform: tuple[Node, ...]
    shortcut: tuple[Node, ...]
    flow: Flow
    add: Node
    after: tuple[Node, ...]


def residual_parts(graph: Graph) -> ResidualParts | None:
    """A block's parts where it is F(x) + shortcut(x) of one tensor x; None where it is anything else."""
    units = segments(graph)
    index = next((index for index, unit in enumerate(units) if len(unit) > 1), None)
    if index is None:
        return None
    before, unit = tuple(node for alone in units[:index] for node in alone), units[index]
    after = graph.nodes[len(before) + len(unit) :]
    entry, add = before[-1].name if before else INPUT, unit[-1]
    if not isinstance(add.op, Add) or len(add.inputs) != 2:
        return None
    if entry in add.inputs:
        return ResidualParts(before, unit[:-1], (), "identity", add, after)
    for node in unit[:-1]:
        flow = shortcut_flow(node)
        if flow and node.inputs == (entry,) and node.name in add.inputs:
            transform = tuple(other for other in unit[:-1] if other is not node)
            return ResidualParts(before, transform, (node,), flow, add, after)
    return None


def shortcut_flow(node: Node) -> Flow | None:
    """What flows through a node that is a projection or zero-pad shortcut; None for every other."""
    if isinstance(node.op, Graph) and node.op.kind == "projection":
        return "projection"
    return "zero-pad" if isinstance(node.op, ZeroPadShortcut) else None


@dataclass(frozen=True, kw_only=True)
class DiagramSelection:
    """The sections to draw, with the network's costs; `part` is "" for the whole network."""

    costs: CostsByPath
    sections: tuple[DiagramSection, ...]
    part: str = ""

    @property
    def style(self) -> DiagramStyle:
        """The drawing's choices."""
        return self.costs.style

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Weight paths of all that is drawn."""
        return tuple(node.path for section in self.sections for node in section.nodes)

    @property
    def words(self) -> str:
        """The part in words, where it is one."""
        return stage_label(self.part) if all(section.stage == self.part for section in self.sections) else self.part

    @property
    def num_ops(self) -> int:
        """Ops that the drawing stands for."""
        return sum(stop - start for start, stop in self.costs.row_ranges(self.paths))

    @property
    def title(self) -> str:
        """The network's name, the part's, the input it reads, and the costs of all that is drawn."""
        rows = self.costs.rows(self.paths)
        params, macs = (short(sum(map(ADDITIVE_COSTS[name][0], rows))) for name in ("params", "macs"))
        network = self.costs.analysis.network.title
        name = f"{network}, {self.words}" if self.part else network
        return f"{name} · input {shape(rows[0].input_shapes[0])} · {params} params · {macs} MACs"

    @property
    def description(self) -> str:
        """The drawing in words, for those who hear it."""
        analysis = self.costs.analysis
        stage_names = {section.stage for section in self.sections}
        stages = [row for row in analysis.stages if row.stage in stage_names]
        return "; ".join(
            f"{stage_label(row.stage)}: {stage_contents(analysis, row, analysis.blocks)}" for row in stages
        )


def diagram_selection(
    analysis: Analysis, style: DiagramStyle = DEFAULT_STYLE, stage: str | None = None, path: str | None = None
) -> DiagramSelection:
    """The whole network, one stage ("stage3", "stem") or what is at a weight path; InvalidInput for another name."""
    if stage is not None and path is not None:
        raise InvalidInput("diagram: give either a stage or a path, since a path tells its stage.")
    costs = CostsByPath(analysis, style)
    whole = network_sections(analysis.network.graph)
    if stage is not None:
        return DiagramSelection(costs=costs, sections=_stage_sections(whole, stage), part=stage)
    if path is not None and section_at(analysis, path or " ").path in {section.stage for section in whole}:
        return DiagramSelection(costs=costs, sections=_stage_sections(whole, path), part=path)
    if path is not None:
        return DiagramSelection(costs=costs, sections=tuple(_path_sections(analysis, whole, path)), part=path)
    return DiagramSelection(costs=costs, sections=tuple(whole))


def _stage_sections(whole: list[DiagramSection], stage: str) -> tuple[DiagramSection, ...]:
    sections = tuple(section for section in whole if section.stage == stage)
    if not sections:
        names = ", ".join(dict.fromkeys(section.stage for section in whole if section.stage))
        raise InvalidInput(f"stage {shortened(stage)!r} is not in this network; its stages are {names}.")
    return sections


def _path_sections(analysis: Analysis, whole: list[DiagramSection], path: str) -> list[DiagramSection]:
    for section in whole:
        if len(section.nodes) == 1 and section.nodes[0].path == path:
            return [section]
    node = _node_at(analysis.network.graph, path)
    if isinstance(node.op, Graph) and any(child.stage for child in node.op.nodes):
        return network_sections(node.op, f"{path}.")
    return [DiagramSection(path, node.stage, (node,))]


def _node_at(graph: Graph, path: str, prefix: str = "", stage: str = "") -> PathNode:
    """The node at a path that is there; its inputs are names beside it."""
    name, _, rest = path.partition(".")
    node = next(node for node in graph.nodes if node.name == name)
    if isinstance(node.op, Graph) and rest:
        return _node_at(node.op, rest, f"{prefix}{name}.", node.stage or stage)
    return PathNode(f"{prefix}{name}", node.stage or stage, node.op, node.inputs)
