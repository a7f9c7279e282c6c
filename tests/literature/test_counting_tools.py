"""Oracle: measured. Other tools, run on live networks here, count to the unit what `counting_rules` says they count.

The tools are in the extra `oracles`; a test of one that is missing is skipped. Networks are torchvision's own, or
built from our graphs, on the `meta` device where the tool can count there.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
import torchvision
from torch import nn

from analyzer.cost.analysis import Analysis, analyze
from analyzer.families.network import network
from analyzer.literature.counting_rules import CONVENTIONS
from analyzer.live.network.build import build
from analyzer.live.verify.meters import NormByShapes


class Case(NamedTuple):
    """A network at a square input, torchvision's own or built from our graph."""

    name: str
    side: int
    torchvision: bool = False

    def analysed(self) -> Analysis:
        return analyze(self.name, self.side)

    def module(self, device: str = "meta") -> nn.Module:
        if not self.torchvision:
            return build(network(self.name), device=device).eval()
        with torch.device(device):
            theirs: nn.Module = torchvision.models.get_model(self.name, weights=None)
        return theirs.eval()

    def image(self, device: str = "meta") -> torch.Tensor:
        return torch.zeros(1, self.analysed().input_shape[0], self.side, self.side, device=device)


CASES = [
    Case("resnet18", 224, True),
    Case("resnet50", 224, True),
    Case("resnext50_32x4d", 96, True),
    Case("densenet121", 64, True),
    Case("vgg11_bn", 64, True),
    Case("alexnet", 224, True),
    Case("resnet:block=bottleneck,depths=1-2,widths=16-24,cardinality=2,se_reduction=4,stem=deep,avg_down=true", 33),
    Case(
        "resnet:block=basic,depths=1-2,widths=8-16,preactivation=true,se_reduction=3,conv_bias=true,in_channels=1", 41
    ),
    Case("resnet:block=basic,depths=2-1-1,widths=8-8-16,shortcut=A,stem=cifar,stem_width=8", 32),
    Case("resnet:block=bottleneck,depths=1-1-1,widths=8-8-8,output_stride=8,shortcut=C,stride_on=1x1", 64),
    Case("resnet:block=bottleneck,depths=1,widths=8,conv_bias=true,stem_pool=valid,head_pool=2,num_classes=6", 64),
]
SMALL = [case for case in CASES if case.name not in ("resnet50", "resnext50_32x4d", "alexnet", "vgg11_bn")]
"""Those that are quick to build with real weights and to run on the CPU."""


@pytest.fixture(autouse=True)
def _deaf_to_warnings() -> Iterator[None]:
    """The tools use what Python and torch have deprecated, some as they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tool(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed (extra: oracles)", exc_type=ImportError)


def expected(case: Case, convention: str) -> int:
    return CONVENTIONS[convention].count(case.analysed())


def named(case: Case) -> str:
    return f"{case.name.partition(',')[2] or case.name} {case.side}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_thop(case: Case) -> None:
    with NormByShapes():
        macs, params = tool("thop").profile(case.module(), inputs=(case.image(),), verbose=False)
    assert (int(macs), int(params)) == (expected(case, "thop"), expected(case, "params"))


@pytest.mark.parametrize("case", CASES, ids=named)
def test_torchinfo(case: Case) -> None:
    with NormByShapes():
        summary = tool("torchinfo").summary(case.module(), input_data=case.image(), device="meta", verbose=0)
    assert summary.total_mult_adds == expected(case, "torchinfo")
    assert (summary.total_params, summary.total_param_bytes) == (
        expected(case, "params"),
        expected(case, "params_bytes"),
    )


def ptflops(case: Case, backend: str, device: str) -> int:
    counted: int = tool("ptflops").get_model_complexity_info(
        case.module(device),
        tuple(case.image().shape[1:]),
        as_strings=False,
        print_per_layer_stat=False,
        backend=backend,
    )[0]
    return counted


@pytest.mark.parametrize("case", CASES, ids=named)
def test_ptflops_aten(case: Case) -> None:
    assert ptflops(case, "aten", "meta") == expected(case, "ptflops")


@pytest.mark.parametrize("case", SMALL, ids=named)
def test_ptflops_pytorch(case: Case) -> None:
    """On the CPU: on `meta` torch itself calls functions that the tool counts once more."""
    assert ptflops(case, "pytorch", "cpu") == expected(case, "ptflops_modules")


@pytest.fixture
def calculate_flops(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, int, int]]:
    """The tool's function; it imports `transformers`, which only its language models need."""
    if "transformers" not in sys.modules:
        hollow = ModuleType("transformers")
        hollow.__spec__ = ModuleSpec("transformers", None)
        for name in ("AutoConfig", "AutoModel", "AutoTokenizer"):
            setattr(hollow, name, object)
        monkeypatch.setitem(sys.modules, "transformers", hollow)
    counted: Callable[..., tuple[int, int, int]] = tool("calflops").calculate_flops
    return counted


@pytest.mark.parametrize("case", CASES, ids=named)
def test_calflops(case: Case, calculate_flops: Callable[..., tuple[int, int, int]]) -> None:
    counted = calculate_flops(case.module(), args=[case.image()], output_as_string=False, print_results=False)
    assert counted == (expected(case, "calflops"), expected(case, "macs"), expected(case, "params"))


@pytest.mark.parametrize("case", SMALL, ids=named)
def test_fvcore(case: Case) -> None:
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    module, image = case.module("cpu"), case.image("cpu")
    flops, activations = FlopCountAnalysis(module, image), ActivationCountAnalysis(module, image)
    for counter in (flops, activations):
        counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    assert flops.total() == expected(case, "fvcore")
    assert activations.total() == expected(case, "activations")


@pytest.mark.parametrize("name", ["seresnet50", "resnetv2_50"])
def test_timm(name: str) -> None:
    """Its gmacs and macts are fvcore's counts of timm's own networks, whose gates take a mean that counts nothing."""
    from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis

    module, case = tool("timm").create_model(name).eval(), Case(name, 64)
    flops = FlopCountAnalysis(module, case.image("cpu")).unsupported_ops_warnings(False)
    activations = ActivationCountAnalysis(module, case.image("cpu")).unsupported_ops_warnings(False)
    assert flops.total() == expected(case, "timm")
    assert activations.total() == expected(case, "activations")
    assert sum(parameter.numel() for parameter in module.parameters()) == expected(case, "params")


def test_a_rule_for_every_tool_is_told_apart() -> None:
    """On one network with everything in it no two rules give the same number, so that none can stand in for another."""
    everything = analyze(
        "resnet:block=bottleneck,depths=1-2,widths=16-24,se_reduction=4,stem=deep,avg_down=true,conv_bias=true,head_pool=2"
    )
    counts = [convention.count(everything) for convention in CONVENTIONS.values()]
    assert len(set(counts)) == len(counts)
