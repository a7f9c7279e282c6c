"""ResNeXt's three forms: the Graphs against the paper, the weights against a plain loop, and what the proof notices."""

import contextlib
import json
import math
from collections import Counter
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

import analyzer
from analyzer.cli import main
from analyzer.cost.walk import OpCost, cost_tree
from analyzer.errors import InvalidInput
from analyzer.families.network import network
from analyzer.families.residual_block import ResidualBlockSpec, residual_block
from analyzer.graph.graph import Graph, Node, leaf_ops, sequence
from analyzer.graph.ops import BatchNorm2d, Conv2d
from analyzer.graph.resnext_forms import (
    ResNeXtForm,
    cardinality,
    forms,
    grouped_blocks,
    network_forms,
    reason_without_forms,
)
from analyzer.live.equivalence import comparison
from analyzer.live.equivalence import network as equivalence_network
from analyzer.live.equivalence.comparison import (
    BlockUnderTest,
    ComparisonCase,
    block_forms,
    comparisons,
    controls,
    plant_fault,
    quick_backward,
    tensor_error,
)
from analyzer.live.equivalence.equivalence import SEED, check_equivalence
from analyzer.live.equivalence.forms import (
    FAULTS,
    copy_state,
    evaluate,
    num_crossings,
    random_state,
    runnable_form,
    weight_views,
)
from analyzer.live.equivalence.proof import Proof
from analyzer.live.equivalence.rounding import CONFIDENCE, UNIT_ROUNDOFF, tolerance
from analyzer.render.equivalence.equivalence import form_rows, markdown_proof, text_proof

FORMS = ("(a) = (c)", "(b) = (c)")
TINY = (
    "resnet:block=bottleneck,depths=1-2,widths=8-16,cardinality=4,base_width=64,stem=cifar,stem_width=8,num_classes=4"
)


@pytest.fixture(scope="module")
def proof() -> Proof:
    return check_equivalence(TINY)


@pytest.fixture(scope="module")
def whole_proof() -> Proof:
    return check_equivalence(TINY, dtypes=tuple(comparison.DTYPES), full=True)


@pytest.fixture
def tiny_block() -> Graph:
    return dict(grouped_blocks(network(TINY).graph))["layer2.0"]


@pytest.fixture
def paper_block() -> Graph:
    return dict(grouped_blocks(network("resnext50_32x4d").graph))["layer1.1"]


@st.composite
def grouped_bottlenecks(draw: st.DrawFn) -> ResidualBlockSpec:
    """Bottlenecks with any number of paths, path width, stride, order, bias and squeeze-and-excitation.

    One input channel is left out: batch norm cancels the scale of its one weight, whose gradient is then zero.
    """
    groups, out_channels = draw(st.integers(2, 6)), draw(st.integers(2, 24))
    return ResidualBlockSpec(
        block="bottleneck",
        in_channels=draw(st.integers(2, 24)),
        inner_channels=groups * draw(st.integers(1, 5)),
        out_channels=out_channels,
        groups=groups,
        stride=draw(st.integers(1, 2)),
        stride_on=draw(st.sampled_from(("3x3", "1x1"))),
        shortcut=draw(st.sampled_from(("B", "C", "none"))),
        preactivation=draw(st.booleans()),
        bias=draw(st.booleans()),
        se_reduction=draw(st.none() | st.integers(1, out_channels)),
    )


def convs(graph: Graph) -> list[Conv2d]:
    return [op for _, op in leaf_ops(graph) if isinstance(op, Conv2d)]


def shown(conv: Conv2d) -> tuple[int, int, int, int]:
    return conv.in_channels, conv.kernel, conv.out_channels, conv.groups


def test_forms_are_those_of_the_papers_figure_3(paper_block: Graph) -> None:
    """Published: Xie et al. 2017, Figure 3, the block of ResNeXt-50 (32×4d) on 256 channels."""
    split, concat, grouped = map(convs, (form.graph for form in forms(paper_block)))
    assert Counter(map(shown, split)) == {(256, 1, 4, 1): 32, (4, 3, 4, 1): 32, (4, 1, 256, 1): 32}
    assert Counter(map(shown, concat)) == {(256, 1, 4, 1): 32, (4, 3, 4, 1): 32, (128, 1, 256, 1): 1}
    assert list(map(shown, grouped)) == [(256, 1, 128, 1), (128, 3, 128, 32), (128, 1, 256, 1)]
    assert cardinality(paper_block) == 32


def test_form_a_has_one_sum_then_batch_norm_then_shortcut(paper_block: Graph) -> None:
    """Published: batch norm follows the aggregation and comes before the shortcut's addition (§5, implementation)."""
    nodes = {node.name: node for node in forms(paper_block)[0].graph.nodes}
    assert nodes["sum"].inputs == tuple(f"path{index}" for index in range(32))
    assert nodes["bn3"].inputs == ("sum",)
    assert nodes["add"].inputs == ("bn3", "input")


def test_path_weights_count_as_the_paper_says(paper_block: Graph) -> None:
    """Published: C·(256·d + 3·3·d·d + d·256) with C = 32 and d = 4 (§3.4); the paper rounds it to 70k."""
    for form in forms(paper_block):
        rows = cost_tree(form.graph, (256, 56, 56)).rows
        weights = sum(row.params for row in rows if isinstance(row.operation, Conv2d))
        assert weights == 32 * (256 * 4 + 3 * 3 * 4 * 4 + 4 * 256) == 70_144


@pytest.mark.parametrize("letter", [0, 1])
def test_every_weight_is_held_by_exactly_one_path(tiny_block: Graph, letter: int) -> None:
    """Closed form: writing 1 into each path's slices by addition gives 1 everywhere in the grouped layout."""
    net = runnable_form(forms(tiny_block)[letter])
    grouped = copy_state(random_state(tiny_block, torch.Generator()), torch.float64)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in grouped.items() if tensor.ndim}
    for name, view in weight_views(net, zeros | {n: t for n, t in grouped.items() if not t.ndim}).items():
        if view.ndim:
            assert view.shape == net.module.state_dict()[name].shape
            view += 1
    assert all(torch.equal(tensor, torch.ones_like(tensor)) for tensor in zeros.values())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("letter", [0, 1, 2])
def test_every_form_is_the_plain_loop_over_paths(tiny_block: Graph, letter: int, training: bool) -> None:
    """Reference output: torch's functions called path by path with slices cut by hand, forward and back, in float64."""
    generator = torch.Generator().manual_seed(1)
    state = random_state(tiny_block, generator)
    features, cotangent = (
        torch.empty(2, *shape).double().normal_(generator=generator) for shape in ((32, 6, 6), (64, 3, 3))
    )
    found = evaluate(runnable_form(forms(tiny_block)[letter]), state, features, cotangent, training=training)
    own = copy_state(state, torch.float64)
    parameters = {name: own[name].requires_grad_() for name in found.gradients}
    output = _by_hand(own, features.requires_grad_(), paths=4, width=16, training=training)
    gradients = torch.autograd.grad(output, [features, *parameters.values()], cotangent)
    assert tensor_error(found.output, output.detach()).max_rel < 1e-12
    assert tensor_error(found.input_gradient, gradients[0]).max_rel < 1e-12
    for name, gradient in zip(parameters, gradients[1:], strict=True):
        assert tensor_error(found.gradients[name], gradient).max_rel < 1e-12
    for name, statistic in found.statistics.items():
        assert tensor_error(statistic, own[name]).max_rel < 1e-12
        assert torch.equal(statistic, state[name]) is not training


def _by_hand(
    state: dict[str, torch.Tensor], features: torch.Tensor, paths: int, width: int, training: bool
) -> torch.Tensor:
    def norm(x: torch.Tensor, name: str, part: slice) -> torch.Tensor:
        mean, var = state[f"{name}.running_mean"][part], state[f"{name}.running_var"][part]
        weight, bias = state[f"{name}.weight"][part], state[f"{name}.bias"][part]
        return functional.batch_norm(x, mean, var, weight, bias, training)

    everything = slice(None)
    total = torch.zeros(1, dtype=torch.float64)
    for path in range(paths):
        part = slice(path * width, (path + 1) * width)
        y = functional.relu(norm(functional.conv2d(features, state["conv1.weight"][part]), "bn1", part))
        z = functional.conv2d(y, state["conv2.weight"][part], stride=2, padding=1)
        z = functional.relu(norm(z, "bn2", part))
        total = total + functional.conv2d(z, state["conv3.weight"][:, part])
    shortcut = norm(functional.conv2d(features, state["downsample.0.weight"], stride=2), "downsample.1", everything)
    return functional.relu(norm(total, "bn3", everything) + shortcut)


def test_tiny_network_passes_with_every_row(proof: Proof) -> None:
    """Closed form: 3 blocks × 2 dtypes × 2 identities × (3 eval + 4 train); faults in 3 blocks, 2 forms, float32."""
    assert proof.passed
    assert len(form_rows(proof)) == 3 * 2 * 2 * (3 + 4)
    assert sum(control.identity in FORMS for control in proof.controls) == 3 * 2 * len(FAULTS)
    assert proof.blocks == {"layer1.0": 4, "layer2.0": 4, "layer2.1": 4}
    assert {row.block for row in form_rows(proof)} == {*proof.blocks}


def test_in_full_every_dtype_and_the_whole_network_pass(whole_proof: Proof) -> None:
    """Measured: 3 blocks × 4 dtypes, and the whole network: 4 × eval and 2 × train, forward and back."""
    rows = form_rows(whole_proof)
    assert whole_proof.passed
    assert len([row for row in rows if row.block]) == 3 * 4 * 2 * (3 + 4)
    assert len([row for row in rows if not row.block]) == 2 * (4 * 3 + 2 * 4)
    assert {(row.dtype, row.mode) for row in rows if row.tolerance is None} == {("float32", "train")}
    assert all(not row.block for row in rows if row.tolerance is None)
    assert {control.dtype for control in whole_proof.controls} == {"float64", "float32"}
    text = markdown_proof(whole_proof)
    assert "not judged" in text
    assert "float16 and bfloat16 store" in text


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_types_are_bounded_by_their_stored_digits(whole_proof: Proof, dtype: str) -> None:
    """Measured: errors are those of the type's digits, not float32's, and within the bound for a block."""
    rows = [row for row in form_rows(whole_proof) if row.dtype == dtype and row.block]
    assert UNIT_ROUNDOFF["float32"] < max(row.max_rel for row in rows) < max(row.tolerance or 0 for row in rows) < 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_types_accumulate_in_float32(dtype: str) -> None:
    """Measured: 4096 ones sum to 4096 over channels, and on the way back over positions, not to 256 or 2048."""
    wide, tall = torch.ones(1, 4096, 1, 1).to(comparison.DTYPES[dtype]), torch.ones(1, 1, 64, 64)
    weight = torch.ones(1, 1, 1, 1, dtype=wide.dtype, requires_grad=True)
    with quick_backward(dtype):
        assert functional.conv2d(wide, wide).item() == 4096
        (back,) = torch.autograd.grad(functional.conv2d(tall.to(wide.dtype), weight).sum(), weight)
    assert back.item() == 4096


def test_float64_holds_within_1e_12(proof: Proof) -> None:
    """Measured: every error and every tolerance in float64."""
    rows = [row for row in proof.rows if row.dtype == "float64"]
    assert all(row.tolerance is not None and row.max_rel <= row.tolerance <= 1e-12 for row in rows)


def test_errors_are_rounding_and_not_nothing(proof: Proof) -> None:
    """Measured: forms that sum in different orders differ by some bits in both dtypes, far below a planted fault."""
    for dtype in ("float64", "float32"):
        worst = max(row.max_rel for row in form_rows(proof) if row.dtype == dtype)
        assert 0 < worst < min(control.max_rel for control in proof.controls if control.identity in FORMS) / 1000


def test_costs_of_the_forms_are_equal(proof: Proof) -> None:
    """Closed form: parameters and MACs are those of the analysed network, in each form."""
    expected = analyzer.analyze(TINY)
    assert [(cost.params, cost.biases, cost.macs) for cost in proof.costs] == 3 * [(expected.params, 0, expected.macs)]


def test_with_biases_only_the_number_of_biases_differs() -> None:
    """Closed form: a 32×4d block of stage 1 has 32·(4 + 4 + 256) = 8,448 in form (a), 128 + 128 + 256 = 512 else."""
    whole = network("resnext50_32x4d:conv_bias=true").graph
    block = dict(grouped_blocks(whole))["layer1.1"]
    counted = {}
    for form in forms(block):
        rows = cost_tree(form.graph, (256, 56, 56)).rows
        convs = [row.operation for row in rows if isinstance(row.operation, Conv2d)]
        counted[form.letter] = sum(conv.out_channels for conv in convs if conv.bias), sum(row.macs for row in rows)
    assert {letter: biases for letter, (biases, _) in counted.items()} == {"a": 8_448, "b": 512, "c": 512}
    assert len({macs for _, macs in counted.values()}) == 1


def test_biases_are_shared_out_and_the_forms_still_equal() -> None:
    """Measured: the same network with biases, each path having its own; the cost table says how many."""
    found = check_equivalence(TINY.replace("1-2", "1-1") + ",conv_bias=true", dtypes=("float64",))
    assert found.passed
    assert len({cost.params for cost in found.costs}) == 2
    assert "of them biases" in markdown_proof(found)


def test_a_form_that_costs_more_fails(proof: Proof) -> None:
    """Planted: one more parameter, or one more MAC, in one form."""
    first, *others = proof.costs
    for changed in (replace(first, params=first.params + 1), replace(first, macs=first.macs + 1)):
        assert not replace(proof, costs=(changed, *others)).passed
    assert replace(proof, costs=(replace(first, params=first.params + 1, biases=1), *others)).passed


@given(st.data())
@settings(max_examples=8)
def test_any_grouped_network_passes(data: st.DataObject) -> None:
    """Measured: forms of one random bottleneck of any cardinality, widths, stride and order, in every mode."""
    block = data.draw(grouped_bottlenecks())
    sound = block_forms(residual_block(block))
    bench = BlockUnderTest(path="block", block_forms=sound, seed=data.draw(st.integers(0, 10**6)))
    for case in (
        ComparisonCase("float64", "eval"),
        ComparisonCase("float64", "train"),
        ComparisonCase("float32", "train"),
    ):
        assert [row for row in comparisons(bench, case) if not row.passed] == []
    assert all(control.detected for control in controls(bench, "float64"))


def test_network_form_leaves_the_rest_alone() -> None:
    """Closed form: outside the grouped blocks' paths, the ops are the same under the same names."""
    whole = network("resnext50_32x4d").graph
    for form in network_forms(whole)[:2]:
        shared = {path: op for path, op in leaf_ops(form.graph) if path not in form.parts}
        sources = {part.source for part in form.parts.values()}
        merged = {f"{path}.{'sum' if form.letter == 'a' else 'concat'}" for path, _ in grouped_blocks(whole)}
        assert shared.keys() - merged == {path for path, _ in leaf_ops(whole)} - sources


def test_same_seed_same_rows(proof: Proof) -> None:
    """Measured: nothing but the seed decides the numbers drawn."""
    again, other = (check_equivalence(TINY, dtypes=("float32",), seed=seed) for seed in (SEED, 1))
    expected = pytest.approx([item.max_rel for item in proof.controls if item.dtype == "float32"], rel=1e-3)
    assert [item.max_rel for item in again.controls] == expected
    assert [item.max_rel for item in other.controls] != expected


def test_threads_are_left_as_they_were() -> None:
    """Measured: one thread while it runs, and after it, or after a failure, what was set."""
    before = torch.get_num_threads()
    seen: list[int] = []

    def told(done: int, total: int, _path: str) -> None:
        seen.append(torch.get_num_threads())
        if len(seen) > 2:
            raise KeyboardInterrupt

    torch.set_num_threads(2)
    try:
        for _ in range(2):
            with contextlib.suppress(KeyboardInterrupt):
                check_equivalence("resnet:block=basic,depths=1,widths=4,stem=cifar", dtypes=("float64",), progress=told)
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 1, 1]


def test_global_random_state_is_left_alone() -> None:
    """Measured: the proof draws from its own generators."""
    before = torch.random.get_rng_state()
    check_equivalence("resnet:block=bottleneck,depths=1,widths=4,cardinality=2", dtypes=("float32",))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_form_fails_every_kind_of_comparison(tiny_block: Graph, fault: str) -> None:
    """Planted: a faulty form differs in output and gradients in both modes, on whatever side its ReLUs are."""
    sound = block_forms(tiny_block)
    nets = (plant_fault(sound.nets[0], FAULTS[fault]), *sound.nets[1:])
    bench = BlockUnderTest(path="layer2.0", block_forms=sound._replace(nets=nets), seed=3)
    for mode in ("eval", "train"):
        rows = [row for row in comparisons(bench, ComparisonCase("float32", mode)) if row.identity == "(a) = (c)"]
        assert not any(row.passed for row in rows if row.what != "running statistics")
        assert all(row.crossed for row in rows)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_controls_see_every_fault(tiny_block: Graph, dtype: str) -> None:
    """Planted: each fault in each split form."""
    found = controls(BlockUnderTest(path="layer2.0", block_forms=block_forms(tiny_block), seed=3), dtype)
    assert [(item.identity, item.fault) for item in found] == [(form, fault) for form in FORMS for fault in FAULTS]
    assert all(control.detected for control in found)


def test_a_control_that_sees_nothing_fails_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a fault that changes nothing cannot be seen, so the proof must not pass."""
    monkeypatch.setitem(FAULTS, "none at all", _unchanged)
    found = check_equivalence(TINY, dtypes=("float64",))
    assert not found.passed
    assert all(row.passed for row in found.rows)
    text = markdown_proof(found)
    assert "**Not equal.**" in text
    assert f"6 of {len(found.controls)} planted faults went unseen" in text


def _unchanged(form: ResNeXtForm) -> ResNeXtForm:
    return form


def test_a_wrong_form_is_told_and_exits_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Planted: form (a) with two paths swapped in every block."""
    sound = forms
    monkeypatch.setattr(
        comparison, "forms", lambda block: (FAULTS["swapped paths"](sound(block)[0]), *sound(block)[1:])
    )
    monkeypatch.setattr(comparison, "FAULTS", {})
    assert main(["equivalence", TINY, "--dtype", "float64"]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("Not equal.")
    assert "differs" in printed
    assert "of block layer" in printed


def test_relus_on_different_sides_of_zero_take_one(tiny_block: Graph) -> None:
    """Planted: weights moved by one part in 100 lead inputs across zero; told their sides, gradients stay close."""
    tensors = BlockUnderTest(path="layer2.0", block_forms=block_forms(tiny_block), seed=3).tensors
    grouped = runnable_form(forms(tiny_block)[2])
    moved = {name: tensor * 1.01 if name == "conv1.weight" else tensor for name, tensor in tensors.state.items()}
    reference = evaluate(grouped, *tensors, training=False)
    free = evaluate(grouped, moved, *tensors[1:], training=False)
    told = evaluate(grouped, moved, *tensors[1:], training=False, signs=reference.signs)
    assert num_crossings(free.signs, reference.signs) > 0
    near = tensor_error(told.input_gradient, reference.input_gradient).max_rel
    assert 0 < 5 * near < tensor_error(free.input_gradient, reference.input_gradient).max_rel
    assert num_crossings(told.signs, reference.signs) == 0


def test_confidence_is_what_the_risk_asks_for() -> None:
    """Closed form: 10⁹ sums, each over its bound with probability 2·exp(−λ²/2), make 10⁻⁶ together."""
    assert 2 * math.exp(-(CONFIDENCE**2) / 2) * 1e9 == pytest.approx(1e-6)


def test_tolerance_is_the_stated_sum() -> None:
    """Closed form: a 3×3 with 8 of 16 input channels a group and batch norm, on 4×4 with batch 2, by hand."""
    pairs = sequence(("conv", Conv2d(16, 32, 3, padding=1, groups=2)), ("bn", BatchNorm2d(32)))
    rows = cost_tree(Graph("pair", tuple(pairs)), (16, 4, 4)).rows
    unit = 2 * CONFIDENCE * 2**-24
    forward, samples = math.sqrt(9 * 8) + math.sqrt(4), 2 * 4 * 4
    back = math.sqrt(9 * 16) + math.sqrt(samples) + 2 * math.sqrt(samples)
    expected = {
        (False, False): forward,
        (True, False): forward + 2 * math.sqrt(samples),
        (False, True): forward + back,
        (True, True): forward + back + 2 * math.sqrt(samples),
    }
    for (training, gradient), total in expected.items():
        assert _tolerance(rows, "float32", training, gradient) == pytest.approx(unit * total)
        assert _tolerance(rows, "float64", training, gradient) == pytest.approx(unit * total * 2**-29)


def _tolerance(rows: tuple[OpCost, ...], dtype: str, training: bool, gradient: bool) -> float:
    return tolerance(rows, dtype, batch_size=2, training=training, gradient=gradient)


def test_differences_are_relative_to_the_largest_and_see_nan() -> None:
    """Closed form: |1 − 2| over a largest of 4, a reference of zeros, and a number that is missing."""
    reference = torch.tensor([2.0, -4.0])
    assert tensor_error(torch.tensor([1.0, -4.0]), reference) == (0.25, 1.0)
    assert tensor_error(torch.tensor([0.5]), torch.tensor([0.0])) == (0.5, 0.5)
    assert tensor_error(torch.tensor([math.nan, -4.0]), reference).max_rel == math.inf


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("resnet:block=basic,depths=1-1,widths=4-8,stem_width=4", "depth 2"),
        ("resnet:block=bottleneck,depths=1-1,widths=4-8,stem_width=4", "cardinality 1"),
        ("densenet121:depths=2-2,growth_rate=8", "concatenated"),
        ("vgg:config=8-M,num_classes=3", "no bottleneck"),
    ],
)
def test_without_three_forms_it_says_why_and_is_good(name: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Published: for blocks of depth 2 the forms are trivial (Xie et al. 2017, §3.3); others have no paths."""
    assert main(["equivalence", name, "--dtype", "float64"]) == 0
    printed = capsys.readouterr().out
    assert f"No three forms. {reason_without_forms(network(name).graph)}" in printed
    assert word in reason_without_forms(network(name).graph)
    assert "(a) = (c)" not in printed


def test_a_graph_without_groups_has_a_reason_of_its_own() -> None:
    """Closed form: neither of the known kinds."""
    graph = Graph("plain", tuple(sequence(("conv", Conv2d(3, 8, 3)))))
    assert "no bottleneck with a grouped convolution" in reason_without_forms(graph)
    with pytest.raises(InvalidInput, match="no grouped convolution between two others"):
        forms(graph)


def test_a_grouped_convolution_that_is_read_twice_is_no_path() -> None:
    """Closed form: a chain that another node reads cannot be cut; it is refused with a sentence."""
    chain = sequence(("a", Conv2d(4, 4, 1)), ("b", Conv2d(4, 4, 3, padding=1, groups=2)), ("c", Conv2d(4, 4, 1)))
    block = Graph("odd", (*chain, Node("d", BatchNorm2d(4), ("c",))))
    assert [form.letter for form in forms(block)] == ["a", "b", "c"]
    parallel = Graph("odd", (chain[0], chain[1], Node("c", Conv2d(4, 4, 1), ("a",)), *_joined()))
    with pytest.raises(InvalidInput, match="no paths to split"):
        forms(parallel)


def _joined() -> tuple[Node, ...]:
    from analyzer.graph.ops import Add

    return (Node("add", Add(), ("b", "c")),)


def test_json_is_valid_against_the_shipped_schema(
    proof: Proof, whole_proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reference: JSON Schema, read by another library; the verb prints the same object."""
    schema = json.loads(files("analyzer").joinpath("schemas/equivalence-1.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    assert main(["equivalence", TINY, "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    jsonschema.validate(printed, schema)
    jsonschema.validate(whole_proof.to_dict(), schema)
    facts = ("identity", "block", "what", "dtype", "mode", "tolerance", "passed")
    expected = [{name: getattr(row, name) for name in facts} for row in proof.rows]
    assert [{name: row[name] for name in facts} for row in printed["rows"]] == expected
    assert printed["passed"] is True
    assert printed["blocks"] == proof.blocks


def test_markdown_has_a_line_for_each_identity_dtype_and_mode(proof: Proof) -> None:
    """Closed form: 2 identities × 2 dtypes × 2 modes over the blocks, 6 faults, 3 × 2 blocks."""
    text = markdown_proof(proof)
    assert text.startswith("# ")
    assert "**Equal.** In all 3 blocks" in text
    assert sum(line.startswith("| (") and "every block" in line for line in text.splitlines()) == 8
    assert sum(" 3 of 3 |" in line for line in text.splitlines()) == 6
    assert sum(line.startswith("| `layer") for line in text.splitlines()) == 6


def test_one_dtype_may_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: only rows of that type."""
    assert main(["equivalence", TINY, "--dtype", "float32", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["dtype"] for row in rows} == {"float32"}


def test_short_types_alone_are_proved_without_the_other_identities(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: those are proved in float64 and float32; of a network without three forms nothing is left."""
    assert main(["equivalence", TINY, "--dtype", "bfloat16", "--format", "markdown"]) == 0
    assert "other identities" not in capsys.readouterr().out
    assert main(["equivalence", "resnet18", "--dtype", "bfloat16"]) == 0
    assert capsys.readouterr().out.startswith("Nothing to prove. No three forms.")


def test_unknown_dtype_and_variant_are_told_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Closed form: field, value, rule."""
    with pytest.raises(InvalidInput, match=r"^dtype 'int8': must be one of float64, float32, bfloat16, float16\.$"):
        check_equivalence(TINY, dtypes=("int8",))
    assert main(["equivalence", "resnext5O"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_network_with_too_many_paths_is_proved_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: with a small bound on ops the split networks are left out."""
    monkeypatch.setattr(equivalence_network, "MAX_OPS", 50)
    found = check_equivalence(TINY, dtypes=("float64",), full=True)
    assert found.passed
    assert "" not in {row.block for row in form_rows(found)}


def test_progress_is_told_block_by_block() -> None:
    """Closed form: each block as it begins, and the end."""
    told: list[tuple[int, int, str]] = []
    check_equivalence(TINY, dtypes=("float32",), progress=lambda *step: told.append(step))
    assert told == [(1, 3, "layer1.0"), (2, 3, "layer2.0"), (3, 3, "layer2.1"), (4, 3, ""), (4, 3, "done")]


def test_text_is_the_tables_without_marks(proof: Proof) -> None:
    """Closed form: the verdict, each identity once by name, no markdown."""
    text = text_proof(proof)
    assert text.startswith("Equal. In all 3 blocks")
    assert "**" not in text
    assert "`" not in text
    for item in proof.identities:
        assert item.name in text
