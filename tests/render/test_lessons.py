"""What the lessons work out and draw. Oracles: closed forms, counting by brute force, and the papers' own tables."""

import re
from itertools import product

import pytest

from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput
from analyzer.graph.ops import BatchNorm2d, Conv2d
from analyzer.literature.claims.figures import connections
from analyzer.render.explain.arithmetic import equation
from analyzer.render.lessons.block_drawings import (
    bottleneck_dot,
    forms_dot,
    preactivation_dot,
    residual_dot,
    shortcuts_dot,
    stride_dot,
)
from analyzer.render.lessons.computations import (
    changed_rows,
    channels_read,
    conv_costs,
    dense_layer_costs,
    equal_cost_paths,
    folding_effect,
    grown_widths,
    repeated_blocks,
    sliding_window,
)
from analyzer.render.lessons.svg_drawings import BarColumn, bars_svg, convolution_svg, dense_block_svg


def test_slides_are_counted_as_by_hand() -> None:
    """Oracle: every start of the padded side tried, one after the other."""
    tried = 0
    for size, kernel, stride, padding, dilation in product((1, 4, 7), (1, 2, 3, 5), (1, 2, 4), (0, 1, 3), (1, 2)):
        padded, span = size + 2 * padding, dilation * (kernel - 1) + 1
        starts = [start for start in range(0, padded, stride) if start + span <= padded]
        if not starts:
            with pytest.raises(InvalidInput, match="leaves less than 1×1"):
                sliding_window(size, kernel, stride, padding, dilation)
            continue
        found = sliding_window(size, kernel, stride, padding, dilation)
        touched = {start + dilation * tap for start in starts for tap in range(kernel)}
        assert (found.positions, list(found.starts), set(found.read)) == (len(starts), starts, touched)
        assert found.over == padded - (starts[-1] + span)
        assert found.skipped == len(set(range(starts[-1] + span)) - touched)
        assert found.lost == len([place for place in range(padded - found.over, padded) if place < padding + size])
        tried += 1
    assert tried > 150


def test_formulas_are_told_with_their_numbers() -> None:
    """Closed form, worked out here by hand."""
    assert equation(sliding_window(8, 3, 2, 1).positions) == "⌊(n + 2·p − f)/s⌋ + 1 = ⌊(8 + 2·1 − 3)/2⌋ + 1 = 4"
    assert "d·(f − 1)" in equation(sliding_window(8, 3, 2, 1, 2).positions)
    params, macs = conv_costs(64, 128, 3, 32, 28)
    assert (params, macs) == (3 * 3 * 64 * 128 // 32, 3 * 3 * 2 * 128 * 28 * 28)
    assert equation(params) == "f·f·C_in·C_out/g = 3·3·64·128/32 = 2,304"
    with pytest.raises(InvalidInput, match=r"Conv2d\.groups 32: must divide the 16"):
        conv_costs(16, 128, 3, 32, 28)


def test_paths_at_equal_cost_are_the_papers() -> None:
    """Xie et al. 2017, Table 2: C = 1, 2, 4, 8, 32 with d = 64, 40, 24, 14, 4."""
    found = equal_cost_paths((1, 2, 4, 8, 32))
    assert [paths.base_width for paths in found] == [64, 40, 24, 14, 4]
    for paths in found:
        count, width = paths.cardinality, paths.base_width
        assert paths.weights == count * (256 * width + 3 * 3 * width * width + width * 256)


@pytest.mark.parametrize(("name", "norms", "folds"), [("resnet50", 53, 53), ("resnetv2_50", 49, 32), ("vgg16", 0, 0)])
def test_folding_takes_batch_norms_and_leaves_a_bias_a_channel(name: str, norms: int, folds: int) -> None:
    """Closed form: two parameters a channel go and one comes; a block of v2 folds its second and third batch norm."""
    found = folding_effect(analyze(name))
    assert (found.num_norms, found.num_folded) == (norms, folds)
    left, gone = (
        sum(row.operation.channels for row in analysis.rows if isinstance(row.operation, BatchNorm2d))
        for analysis in (found.after, found.before)
    )
    assert found.before.params - found.after.params == gone - left
    assert found.before.macs == found.after.macs
    biased = sum(isinstance(row.operation, Conv2d) and row.operation.bias for row in found.after.rows)
    assert biased == (13 if name == "vgg16" else folds)


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
def test_the_first_1x1_of_each_later_stage_moves_and_nothing_else(name: str) -> None:
    """Closed form: four times the positions; the shares sum to the difference of the totals."""
    first, second = analyze(f"{name}:stride_on=1x1"), analyze(f"{name}:stride_on=3x3")
    moved = changed_rows(first, second)
    assert [ours.path for ours, _ in moved] == ["layer2.0.conv1", "layer3.0.conv1", "layer4.0.conv1"]
    assert all(theirs.macs == 4 * ours.macs for ours, theirs in moved)
    assert sum(theirs.macs - ours.macs for ours, theirs in moved) == second.macs - first.macs


def test_repeated_blocks_cost_the_same_only_when_widths_double() -> None:
    """Closed form: H·W·C² stays where H and W halve and C doubles."""
    assert len({block.macs for block in repeated_blocks(analyze("resnet34"))}) == 1
    grown = "-".join(map(str, grown_widths(64, 1.5, 4)))
    assert grown == "64-96-144-216"
    costs = [block.macs for block in repeated_blocks(analyze(f"resnet34:widths={grown}"))]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("narrow", ["", ",bottleneck_ratio=none"])
def test_dense_layers_read_what_the_formula_says(narrow: str) -> None:
    """Closed form: k₀ + k(l − 1), and 9·k weights a channel read where no 1×1 comes first."""
    layers = dense_layer_costs(analyze(f"densenet:depths=6,growth_rate=12,init_features=24{narrow},stem=cifar"))
    assert [layer.reads for layer in layers] == [24, 36, 48, 60, 72, 84]
    assert [channels_read(24, 12, layer.number) for layer in layers] == [layer.reads for layer in layers]
    assert equation(channels_read(24, 12, 6)) == "k₀ + k·(l − 1) = 24 + 12·(6 − 1) = 84"
    if narrow:
        assert [layer.params for layer in layers] == [9 * 12 * layer.reads + 2 * layer.reads for layer in layers]


@pytest.mark.parametrize("size", [(1, 1, 1, 0, 1), (8, 3, 2, 1, 1), (7, 3, 2, 0, 2), (16, 7, 1, 3, 2), (9, 1, 4, 0, 1)])
def test_the_grid_draws_every_place_and_every_position(size: tuple[int, int, int, int, int]) -> None:
    """Closed form: n² places of the map, (n + 2p)² in all, one element and one window for each position."""
    found = sliding_window(*size)
    svg = convolution_svg(found)
    places = re.findall(r'class="(map|pad)( unread)?"', svg)
    assert len(places) == found.padded**2
    assert [kind for kind, _ in places].count("map") == found.size**2
    assert sum(not unread for _, unread in places) == len(found.read) ** 2
    assert svg.count('class="position') == svg.count("<use ") == svg.count('class="out"') == found.positions**2
    assert svg.count('class="reach"') == found.positions
    assert svg.count('class="over"') == (found.over > 0)
    assert len(svg) < 150_000


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_the_dense_block_draws_every_connection(count: int) -> None:
    """Closed form: L(L + 1)/2; and the graph's own connections."""
    expression = f"densenet:depths={count},growth_rate=12"
    layers = dense_layer_costs(analyze(expression))
    svg = dense_block_svg(layers)
    assert svg.count('class="arc"') == count * (count + 1) // 2 == connections(expression).value
    assert f">{count * (count + 1) // 2} connections<" in svg
    assert svg.count('class="given"') == count + 1
    assert svg.count('class="grown') == count * (count + 1) // 2


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars_svg(["a", "b"], [BarColumn("MACs", [100, 25]), BarColumn("none", [0, 0])], "two rows")
    lengths = [float(width) for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', svg)]
    assert lengths[0] == 4 * lengths[1]
    assert lengths[2:] == [1, 1]


def test_drawings_of_blocks_have_their_shortcuts_and_strides() -> None:
    """He et al. 2015, section 3.3: an identity is solid, a projection dashed; the stride moves from 1×1 to 3×3."""
    assert residual_dot().count("dashed") > 0
    drawn = stride_dot("resnet50")
    assert drawn.count("1×1 conv, 128, /2") == drawn.count("3×3 conv, 128, /2") == 1
    assert "option C" in shortcuts_dot("resnet34", "ABC")
    assert preactivation_dot("resnet34").count("pre-activation") >= 2
    assert "1×1 conv, 256" in bottleneck_dot("resnet18", "resnet50")


@pytest.mark.parametrize(("count", "told"), [(2, ""), (3, ""), (4, "… total 4 paths …"), (64, "… total 64 paths …")])
def test_paths_are_left_out_of_the_drawing_only_where_there_are_more_than_three(count: int, told: str) -> None:
    (paths,) = equal_cost_paths((count,))
    drawn = forms_dot(paths.block, 56, "forms")
    assert (told in drawn) if told else ("total" not in drawn)
    shown = re.findall(r"path(\d+)\.conv2", drawn)
    assert set(shown) == {"0", "1", str(count - 1)}


def test_one_path_has_no_forms() -> None:
    (one,) = equal_cost_paths((1,))
    with pytest.raises(InvalidInput, match="no grouped convolution"):
        forms_dot(one.block, 56, "forms")
