"""What one op yields and costs. Oracle: brute force, with windows and multiplications counted one by one."""

from math import prod
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analyzer.cost import formulas
from analyzer.errors import InvalidInput
from analyzer.graph.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool2d,
    Linear,
    MaxPool2d,
    Multiply,
    Op,
    ReLU,
    Shape,
    ZeroPadShortcut,
)

windows = st.tuples(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.integers(0, 4), st.integers(1, 3))


@given(windows)
def test_a_window_has_as_many_positions_as_can_be_placed(numbers: tuple[int, int, int, int, int]) -> None:
    """Brute force: slide a dilated window over the padded side and count the places where all of it fits."""
    size, kernel, stride, padding, dilation = numbers
    taps = [dilation * tap for tap in range(kernel)]
    placed = [start for start in range(0, size + 2 * padding, stride) if start + taps[-1] < size + 2 * padding]
    assert max(formulas.window_positions(size, kernel, stride, padding, dilation), 0) == len(placed)


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 7))
def test_ceil_mode_also_counts_the_last_incomplete_window(size: int, kernel: int, stride: int) -> None:
    """Brute force, as torch rounds up: one more window where the last complete one leaves something uncovered."""
    assume(size >= kernel)
    complete = [start for start in range(0, size, stride) if start + kernel <= size]
    following = complete[-1] + stride
    leaves_some = complete[-1] + kernel < size
    wanted = len(complete) + (leaves_some and following < size)
    assert formulas.ceil_positions(size, kernel, stride) == wanted


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "positions"), [(1, 2, 2, 1), (7, 2, 2, 4), (8, 2, 2, 4), (2, 3, 2, 1)]
)
def test_ceil_mode_by_hand(size: int, kernel: int, stride: int, positions: int) -> None:
    """torch.nn.AvgPool2d(kernel, stride, ceil_mode=True), torch 2.14.1."""
    assert formulas.ceil_positions(size, kernel, stride) == positions


def multiplications(conv: Conv2d, height: int, width: int) -> int:
    """Count as a padded convolution multiplies: every output element, every tap, every channel of its group."""
    count, extent = 0, conv.dilation * (conv.kernel - 1)
    of_one_group = len(range(0, conv.in_channels, conv.groups))
    for _ in range(conv.out_channels):
        for _ in range(0, height + 2 * conv.padding - extent, conv.stride):
            for _ in range(0, width + 2 * conv.padding - extent, conv.stride):
                count += conv.kernel * conv.kernel * of_one_group
    return count


@given(st.data())
def test_a_convolutions_cost_is_its_multiplications_one_by_one(data: st.DataObject) -> None:
    groups = data.draw(st.integers(1, 4))
    conv = Conv2d(
        groups * data.draw(st.integers(1, 3)),
        groups * data.draw(st.integers(1, 3)),
        data.draw(st.integers(1, 4)),
        stride=data.draw(st.integers(1, 3)),
        padding=data.draw(st.integers(0, 2)),
        dilation=data.draw(st.integers(1, 2)),
        groups=groups,
        bias=data.draw(st.booleans()),
    )
    height, width = data.draw(st.tuples(st.integers(7, 10), st.integers(7, 10)))
    output = formulas.out_shape(conv, (conv.in_channels, height, width))
    counted = multiplications(conv, height, width)
    assert formulas.macs(conv, output) == counted
    assert (
        formulas.activations(conv, output) == counted // (conv.kernel**2 * conv.in_channels // groups) == prod(output)
    )
    weights = [
        (o, i)
        for o in range(conv.out_channels)
        for i in range(conv.in_channels)
        if o * groups // conv.out_channels == i * groups // conv.in_channels
    ]
    assert formulas.params(conv) == conv.kernel**2 * len(weights) + conv.bias * conv.out_channels


COSTS: list[tuple[Op, tuple[Shape, ...], Shape, int, int, int, int]] = [
    # op, inputs, output, params, buffers, macs, activations
    (Linear(5, 3), ((5,),), (3,), 5 * 3 + 3, 0, 5 * 3, 3),
    (BatchNorm2d(4), ((4, 5, 6),), (4, 5, 6), 4 + 4, 4 + 4 + 1, 0, 0),
    (ReLU(), ((4, 5, 6),), (4, 5, 6), 0, 0, 0, 0),
    (MaxPool2d(3, stride=2, padding=1), ((4, 5, 6),), (4, 3, 3), 0, 0, 0, 0),
    (AvgPool2d(2, stride=2), ((4, 5, 6),), (4, 2, 3), 0, 0, 0, 0),
    (AvgPool2d(2, stride=2, ceil_mode=True), ((4, 5, 6),), (4, 3, 3), 0, 0, 0, 0),
    (GlobalAvgPool2d(), ((4, 5, 6),), (4, 1, 1), 0, 0, 0, 0),
    (AdaptiveAvgPool2d(7), ((4, 5, 6),), (4, 7, 7), 0, 0, 0, 0),
    (Flatten(), ((4, 5, 6),), (120,), 0, 0, 0, 0),
    (Add(), ((4, 5, 6), (4, 5, 6)), (4, 5, 6), 0, 0, 0, 0),
    (Concat(), ((4, 5, 6), (3, 5, 6), (1, 5, 6)), (8, 5, 6), 0, 0, 0, 0),
    (Multiply(), ((4, 5, 6), (4, 1, 1)), (4, 5, 6), 0, 0, 0, 0),
    (ZeroPadShortcut(4, 8, stride=2), ((4, 5, 6),), (8, 3, 3), 0, 0, 0, 0),
]


@pytest.mark.parametrize("case", COSTS, ids=lambda case: repr(case[0]))
def test_an_op_costs_what_its_definition_says(case: tuple[Any, ...]) -> None:
    op, shapes, output, *counts = case
    assert formulas.out_shape(op, *shapes) == output
    assert [
        formulas.params(op),
        formulas.buffers(op),
        formulas.macs(op, output),
        formulas.activations(op, output),
    ] == counts


UNFIT: list[tuple[Op, tuple[Shape, ...], str]] = [
    (Conv2d(3, 4, 1), ((4, 5, 5),), "Conv2d: its input has 4 channels or features, it needs 3"),
    (Conv2d(3, 4, 7), ((3, 5, 9),), "Conv2d with kernel 7 and padding 0: its 5×9 input leaves less than 1×1"),
    (Conv2d(3, 4, 3, dilation=3), ((3, 6, 6),), "leaves less than 1×1"),
    (Conv2d(3, 4, 1), ((3,),), "Conv2d: its input (3,) has no height and width"),
    (MaxPool2d(2, stride=2), ((3, 1, 9),), "MaxPool2d with kernel 2 and padding 0: its 1×9 input leaves less than 1×1"),
    (AvgPool2d(5, stride=2, ceil_mode=True), ((3, 1, 1),), "leaves less than 1×1"),
    (AvgPool2d(2, stride=2), ((3, 1, 1),), "leaves less than 1×1"),
    (GlobalAvgPool2d(), ((3,),), "has no height and width"),
    (BatchNorm2d(3), ((3,),), "has no height and width"),
    (BatchNorm2d(3), ((4, 1, 1),), "it needs 3"),
    (Linear(7, 2), ((4, 7, 7),), "Linear: its input (4, 7, 7) is not flat"),
    (Linear(7, 2), ((8,),), "Linear: its input has 8 channels or features, it needs 7"),
    (Add(), ((4, 5, 5), (4, 5, 6)), "Add: its inputs have unequal shapes (4, 5, 5), (4, 5, 6)"),
    (Add(), ((4, 5, 5), (5, 5, 5)), "unequal shapes"),
    (Concat(), ((4, 5, 5), (4, 6, 5)), "unequal shapes"),
    (Multiply(), ((4, 5, 5), (4, 5, 5)), "unequal shapes"),
    (ZeroPadShortcut(4, 8), ((3, 5, 5),), "it needs 4"),
]


@pytest.mark.parametrize(
    ("op", "shapes", "message"), UNFIT, ids=[f"{type(op).__name__} {message}" for op, _, message in UNFIT]
)
def test_an_input_that_does_not_fit_is_refused(op: Op, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        formulas.out_shape(op, *shapes)
    assert message in str(refused.value)
