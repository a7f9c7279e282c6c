"""What a stage is made of, in words.

Oracle: the ops of small graphs, named by hand.
"""

import pytest

import analyzer
from analyzer.graph.ops import BatchNorm2d, Op, ReLU, Sigmoid
from analyzer.render.notation import stage_contents


@pytest.mark.parametrize(
    ("stage_ops", "text"),
    [
        ([BatchNorm2d(3), ReLU()], "batch norm, ReLU"),
        ([BatchNorm2d(3), Sigmoid()], "batch norm, sigmoid"),
        ([BatchNorm2d(3)], "batch norm"),
    ],
)
def test_a_stage_of_ops_that_otherwise_go_without_saying_names_each(stage_ops: list[Op], text: str) -> None:
    nodes, source = [], analyzer.INPUT
    for index, op in enumerate(stage_ops):
        nodes.append(analyzer.Node(f"op{index}", op, (source,), "head"))
        source = f"op{index}"
    analysis = analyzer.analyze(analyzer.Graph("tail", tuple(nodes)), input_size=8)
    assert stage_contents(analysis, analysis.stages[0], analysis.blocks) == text
