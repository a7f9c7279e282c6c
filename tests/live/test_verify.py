"""The verb verify: its table, its verdicts, its manners."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import torch
import torchvision

from analyzer.cli import main
from analyzer.cost import formulas
from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.registry import variant_names
from analyzer.graph.ops import Conv2d, Op, Shape
from analyzer.live.network.build import build
from analyzer.live.verify import meters as measure
from analyzer.live.verify import reference_networks as reference
from analyzer.live.verify import verify as verifying
from analyzer.live.verify.checks import Check, Verification, entries_check, number_check, silent_check, unjudged_check
from analyzer.live.verify.verify import verify
from analyzer.render.equivalence.verification import verifications_markdown

SMALL = "resnet:block=bottleneck,depths=1-1,widths=8-16,stem_width=8,cardinality=2"


def failures(analysis: Analysis) -> dict[str, Check]:
    """Quantity to check, of the checks that did not pass."""
    return {check.quantity: check for check in verify(analysis).checks if check.passed is False}


def test_a_torchvision_network_agrees_with_every_oracle() -> None:
    """Closed form, measured, published and reference output, each with its tool's version."""
    found = verify(analyze("resnet18"))
    assert found.passed
    assert len(found.checks) == (29 if find_spec("timm") else 25)
    assert {check.oracle for check in found.checks if check.passed is None} <= {"CPU allocator", "max_memory_allocated"}
    by_oracle = {check.oracle: check.tool for check in found.checks}
    assert by_oracle.keys() == {
        "forward hooks",
        "parameters()",
        "buffers()",
        "FlopCounterMode",
        "backward counter",
        "saved tensors",
        "allocation meter",
        "CPU allocator",
        "max_memory_allocated",
        "fvcore",
        "published figures",
        "torchvision's network",
        "timm's network",
    }
    assert by_oracle["forward hooks"] == f"torch {torch.__version__}"
    assert by_oracle["torchvision's network"] == f"torchvision {torchvision.__version__}"
    by_quantity = {check.quantity: check for check in found.checks}
    assert by_quantity["params"].theirs == 11_689_512
    assert by_quantity["flops"].theirs == 1_819_065_856
    assert by_quantity["_ops: 10⁹ MACs at 224×224"].theirs == 1.814
    assert by_quantity["state_dict: names, shapes, order"].theirs == 122


def test_a_name_that_torchvision_lacks_is_no_pass() -> None:
    found = verify(analyze(SMALL, 32))
    last = found.checks[-1]
    assert (last.oracle, last.passed, last.note) == ("timm's network", None, "no such network in timm")
    assert (found.checks[-2].passed, found.checks[-2].note) == (None, "no such network in torchvision")
    assert found.passed
    assert found.num(False) == 0


TIMM = ("resnet50d", "resnetv2_50", "seresnet50", "resnet34d", "seresnext50_32x4d", "regnet_y_400mf")


@pytest.mark.parametrize("name", TIMM)
def test_timms_network_computes_the_same(name: str) -> None:
    """Reference output: timm's own network through a name map; bits, but for its convolution as a classifier."""
    pytest.importorskip("timm", reason="timm is in the extra oracles")
    checks = reference._timm(analyze(name), build(name))
    assert [check.quantity.partition(":")[0] for check in checks] == [
        "state_dict",
        "outputs, evaluation mode",
        "outputs, training mode",
        "gradients, training mode",
        "running statistics, training mode",
    ]
    assert all(check.passed for check in checks), checks
    if name != "resnetv2_50":
        assert all(check.difference == 0 for check in checks)


def test_timm_finds_a_fault_in_a_network_that_torchvision_lacks() -> None:
    """Reference output: another epsilon in every batch norm, and a classifier of another shape."""
    pytest.importorskip("timm", reason="timm is in the extra oracles")
    live = build("resnet18d")
    for module in live.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1.1e-5
    assert not all(check.passed for check in reference._timm(analyze("resnet18d"), live))
    (first, *others) = reference._timm(analyze("resnet18d"), build("resnet18d:num_classes=5"))
    assert (first.passed, others) == (False, [])


def test_what_need_not_be_the_same_bits_must_be_within_its_tolerance() -> None:
    """Closed form: 10⁻¹⁰ of the largest magnitude, 2 here."""
    other = reference.ReferenceNetwork("timm's network", "timm 1", torch.nn.Identity(), str, exact=False)
    theirs = torch.tensor([1.0, -2.0], dtype=torch.float64)
    for gap, passed in ((1e-10, True), (3e-10, False), (math.nan, False)):
        check = reference._tensors("outputs", {"x": theirs + gap}, {"x": theirs}, other)
        assert check.passed is passed
        assert check.note.startswith("within 1e-10")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (SMALL, "no such network in timm"),
        ("resnet20_cifar", "no such network in timm"),
        ("vgg11", "timm writes the head as convolutions, so the weights do not fit"),
    ],
)
def test_where_timm_cannot_speak_it_says_why(name: str, reason: str) -> None:
    (check,) = reference._timm(analyze(name), torch.nn.Identity())
    assert (check.passed, check.note) == (None, reason)


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "find_spec", lambda _: None)
    (check,) = reference._timm(analyze("resnet50d"), torch.nn.Identity())
    assert check.note == "timm is not installed; install resnet-analyzer[oracles]"


def test_someones_own_network_is_measured_and_left_as_found() -> None:
    """Measured: torchvision's own ResNet-18 in our place; modes, hooks, gradients, buffers, random state as before."""
    net = torchvision.models.resnet18()
    net.layer1.eval()
    net.fc.bias.grad = torch.ones(1000)
    net.conv1.weight.requires_grad_(False)
    before = _found(net)
    found = verify(analyze("resnet18", 64), net)
    assert _found(net) == before
    assert {check.quantity: check for check in found.checks if not check.passed}.keys() == {
        "training FLOPs, groups counted once",  # its first convolution does not learn
        "training FLOPs by its rule for groups",
    }
    assert {check.theirs for check in found.checks if check.quantity == "params"} == {11_689_512}


def _found(net: torch.nn.Module) -> list[object]:
    modes = [(path, module.training, len(module._forward_hooks)) for path, module in net.named_modules()]
    gradients = [None if weight.grad is None else weight.grad.sum().item() for weight in net.parameters()]
    values = [value.double().sum().item() for value in net.state_dict().values()]
    return [
        modes,
        gradients,
        values,
        [weight.requires_grad for weight in net.parameters()],
        torch.get_rng_state().sum(),
    ]


def test_someone_elses_network_is_told_apart() -> None:
    """Measured: a network of another width differs in params, FLOPs and state_dict."""
    other = build("resnet:block=basic,depths=1,widths=8,stem_width=9", device="meta")
    found = verify(analyze("resnet:block=basic,depths=1,widths=8,stem_width=8", 32), build_small(other))
    failed = {check.quantity for check in found.checks if check.passed is False}
    assert {"params", "names, shapes, order", "FLOPs = 2 · MACs", "flops"} <= failed


def build_small(net: torch.nn.Module) -> torch.nn.Module:
    return net.to_empty(device="cpu")


def test_a_toml_file_is_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network of one's own, from a file, against every oracle that knows it."""
    path = tmp_path / "mine.toml"
    path.write_text('family = "resnet"\nblock = "basic"\ndepths = [1]\nwidths = [8]\nstem = "cifar"\n')
    assert main(["verify", str(path)]) == 0
    assert "no such network in torchvision" in capsys.readouterr().out


def test_the_random_state_is_left_as_found() -> None:
    before = torch.get_rng_state()
    verify(analyze(SMALL, 32))
    assert torch.equal(torch.get_rng_state(), before)


def test_two_verifications_are_equal() -> None:
    """The weights compared with are always the same."""
    assert verify(analyze(SMALL)) == verify(analyze(SMALL))


def test_a_wrong_shape_formula_names_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured: one convolution's closed-form shape one pixel off."""
    right = formulas.out_shape

    def wrong(op: Op, *inputs: Shape) -> Shape:
        shape = right(op, *inputs)
        return (*shape[:2], shape[2] + 1) if isinstance(op, Conv2d) and op.groups > 1 and op.stride == 2 else shape

    monkeypatch.setattr(formulas, "out_shape", wrong)
    monkeypatch.setattr(formulas, "_expect_equal", lambda *_: None)
    failed = failures(analyze(SMALL, 32))["output shape of every op, block, stage"]
    assert failed.note == "layer2.0.conv2: (32, 4, 5) here, (32, 4, 4) there"


def test_large_inputs_leave_fvcore_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would run for minutes is said, not run, and not a pass."""

    def refused(*_: object) -> None:
        raise AssertionError("fvcore was run")

    monkeypatch.setattr(measure, "fvcore_flops", refused)
    found = verify(analyze(SMALL, 16_384))
    (fvcore,) = (check for check in found.checks if check.oracle == "fvcore")
    (meter,) = (check for check in found.checks if check.oracle == "allocation meter")
    assert meter.note.startswith("left out: it runs the network")
    assert fvcore.passed is None
    assert fvcore.note.startswith("left out: fvcore runs the network, and its ")


def test_outputs_a_millionth_apart_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference output: 2⁻²⁰ more on one of 11,689,512 weights is enough."""
    load = torch.nn.Module.load_state_dict

    def slightly_off(net: torch.nn.Module, state: dict[str, torch.Tensor], **options: bool) -> object:
        state["fc.bias"][0] += 2**-20
        return load(net, state, **options)

    monkeypatch.setattr(torch.nn.Module, "load_state_dict", slightly_off)
    failed = failures(analyze("resnet18", 32))
    assert set(failed) == {"outputs, evaluation mode: largest magnitude", "outputs, training mode: largest magnitude"}
    assert all(0 < float(check.difference or 0) < 2e-6 for check in failed.values())


def test_a_state_dict_in_another_order_differs() -> None:
    """Reference: names and shapes alone are not enough."""
    ours = {0: ("conv1.weight", (8, 3)), 1: ("bn1.weight", (8,))}
    theirs = {0: ours[1], 1: ours[0]}
    check = entries_check("torchvision", "1", "state_dict", ours, theirs)
    assert (check.ours, check.theirs, check.difference, check.passed) == (2, 2, 2, False)
    assert entries_check("torchvision", "1", "state_dict", ours, ours).passed
    missing = entries_check("torchvision", "1", "state_dict", ours, {0: ours[0]})
    assert (missing.difference, missing.note) == (1, "1: ('bn1.weight', (8,)) here, none there")


def test_a_network_with_weights_in_another_order_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reference: the first convolution registered last, as if torchvision had changed its order."""
    right = torchvision.models.get_model

    def reordered(name: str) -> torch.nn.Module:
        net: torch.nn.Module = right(name)
        net.add_module("conv1", net._modules.pop("conv1"))
        return net

    monkeypatch.setattr(torchvision.models, "get_model", reordered)
    failed = failures(analyze("resnet18", 32))
    assert failed.keys() == {"state_dict: names, shapes, order"}


def test_not_a_number_is_a_difference() -> None:
    other = reference.ReferenceNetwork("torchvision's network", "torchvision 1", torch.nn.Identity(), str)
    check = reference._tensors("outputs", {"x": torch.tensor([math.nan])}, {"x": torch.tensor([math.nan])}, other)
    assert check.passed is False
    found = Verification(variant="x", input_shape=(3, 1, 1), checks=(check,))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["checks"][0]["difference"] == "nan"


def test_the_table_says_what_differs() -> None:
    checks = (
        number_check("fvcore", "fvcore 1", "flops", 2_000, 1_999),
        number_check("published figures", "torchvision 1", "_ops", 4.0891, 4.0891),
        silent_check("torchvision's network", "torchvision 1", "all of it", "no such network in torchvision"),
        unjudged_check("CPU allocator", "torch 1", "peak", 10, 12, "scratch space on top"),
        entries_check("forward hooks", "torch 1", "shapes", {"conv1": (1,)}, {"conv1": (2,)}),
    )
    text = verifications_markdown([Verification(variant="odd", input_shape=(3, 5, 7), checks=checks)])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert text.startswith("## odd at 3×5×7\n")
    assert rows[2] == ["fvcore", "fvcore 1", "flops", "2,000", "1,999", "1", "DIFFERS"]
    assert rows[3][3:] == ["4.0891", "4.0891", "0.0", "equal"]
    assert rows[4][3:] == ["–", "–", "–", "not applicable: no such network in torchvision"]
    assert rows[5][3:] == ["10", "12", "-2", "not judged: scratch space on top"]
    assert rows[6][3:] == ["1", "1", "1", "DIFFERS: conv1: (1,) here, (2,) there"]
    assert text.endswith("\n1 network: 1 checks equal, 2 differ, 2 not applicable or not judged.\n")


def test_the_verb_prints_the_table_and_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", SMALL, "--input-size", "32x40"]) == 0
    shown = capsys.readouterr()
    assert "at 3×32×40\n" in shown.out
    assert shown.err == ""


def test_the_verb_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", SMALL, "resnet18", "--input-size", "32", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(files("analyzer").joinpath("schemas/verify-1.json").read_text()))
    assert (document["schema"], document["passed"]) == (1, True)
    assert [item["variant"] for item in document["verifications"]] == [analyze(SMALL).variant, "resnet18"]
    assert all(check["passed"] in (True, None) for item in document["verifications"] for check in item["checks"])


def test_the_verb_exits_1_where_an_oracle_disagrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured: a MAC formula without groups is caught, in both formats."""
    right = formulas.macs
    monkeypatch.setattr(formulas, "macs", _ungrouped(right))
    assert main(["verify", SMALL]) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert main(["verify", SMALL, "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def _ungrouped(right: Callable[[Op, Shape], int]) -> Callable[[Op, Shape], int]:
    return lambda op, output: right(op, output) * (op.groups if isinstance(op, Conv2d) else 1)


def test_the_verb_verifies_every_name_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_row(analysis: Analysis) -> Verification:
        row = silent_check("none", "", "", "")
        return Verification(variant=analysis.variant, input_shape=analysis.input_shape, checks=(row,))

    monkeypatch.setattr(verifying, "verify", one_row)
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert out.count("## ") == len(variant_names())
    assert "## resnext101_32x4d at 3×224×224" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["verify", "resnet51"], "variant 'resnet51' is unknown"),
        (["verify", "resnet18", "--input-size", "0"], "input size 0"),
        (["verify", "densenet121", "--input-size", "8"], "leaves less than 1×1"),
    ],
)
def test_mistakes_exit_2_with_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""


NO_TORCH = """
import sys
sys.modules["torch"] = None
import analyzer
from analyzer.cli import main
try:
    analyzer.build("resnet18")
except analyzer.Unavailable as error:
    print(error)
sys.exit(main(["verify", "resnet18"]))
"""


def test_without_torch_one_sentence_says_what_to_install() -> None:
    """A process in which torch cannot be imported, as in a base install."""
    ran = subprocess.run([sys.executable, "-c", NO_TORCH], capture_output=True, text=True, check=False)
    sentence = (
        "This needs torch, which is not installed; install resnet-analyzer[live] "
        '(in a clone: pip install -e ".[live]").\n'
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, sentence, sentence)


def test_analysis_and_help_leave_torch_unimported() -> None:
    script = """
import sys, analyzer
from analyzer.cli import main
analyzer.analyze("resnet50")
main(["verify", "--help"])
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0
