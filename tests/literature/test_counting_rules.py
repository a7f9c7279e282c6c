"""Other tools' counting rules against the figures those tools report (published, or run in the version named)."""

import pytest

from analyzer.cost.analysis import analyze
from analyzer.literature.counting_rules import CONVENTIONS, fvcore_by_operator

FVCORE = {
    "resnet18": {"conv": 1813561344, "linear": 512000, "batch_norm": 4967424, "adaptive_avg_pool2d": 25088},
    "resnet50": {"conv": 4087136256, "linear": 2048000, "batch_norm": 22227968, "adaptive_avg_pool2d": 100352},
    "resnet101": {"conv": 7799357440, "linear": 2048000, "batch_norm": 32463872, "adaptive_avg_pool2d": 100352},
    "resnext50_32x4d": {"conv": 4228431872, "linear": 2048000, "batch_norm": 28801024, "adaptive_avg_pool2d": 100352},
    "wide_resnet50_2": {"conv": 11395973120, "linear": 2048000, "batch_norm": 28801024, "adaptive_avg_pool2d": 100352},
    "densenet121": {"conv": 2833137664, "linear": 1024000, "batch_norm": 31334912, "adaptive_avg_pool2d": 50176},
    "densenet169": {"conv": 3358179328, "linear": 1664000, "batch_norm": 38045952, "adaptive_avg_pool2d": 81536},
}
"""fvcore's FlopCountAnalysis at commit 3378afe on torchvision 0.29.1's networks, 1×3×224×224."""

FVCORE_ACTIVATIONS = {"resnet18": 2484712, "resnet50": 11114984, "resnext50_32x4d": 14401512, "densenet169": 7301608}
"""fvcore's ActivationCountAnalysis, likewise."""

TIMM = [
    ("resnet18", 224, 1.82, 2.48),
    ("resnet50", 160, 2.1, 5.67),
    ("resnet50", 176, 2.62, 6.92),
    ("resnet101", 288, 12.95, 26.83),
    ("resnet152", 224, 11.56, 22.56),
    ("resnext50_32x4d", 224, 4.26, 14.4),
    ("resnext101_32x8d", 224, 16.48, 31.21),
    ("wide_resnet50_2", 288, 18.89, 23.81),
    ("densenet121", 288, 4.74, 11.41),
    ("densenet201", 224, 4.34, 7.85),
]
"""infer_gmacs and infer_macts of timm's results/benchmark-infer-amp-nchw-pt291-cu130-5090.csv at commit aa4b585."""

_R56 = "resnet:block=basic,depths=9-9-9,widths=16-32-64,stem=cifar,stem_width=16,num_classes=10"
PYCLS = {
    "resnet50": 4089185256,
    "resnet152": 11513627624,
    "resnext50_32x4d": 4230480872,
    "resnext101_32x4d": 7969997800,
    _R56: 125747850,
}
"""flops of pycls' dev/model_complexity.json at commit 5719de6."""

TORCHINFO = {
    "resnet18": 1814083944,
    "resnet50": 4089238376,
    "resnext50_32x4d": 4230549096,
    "densenet121": 2834246312,
}
"""total_mult_adds of torchinfo 1.8.0 on torchvision 0.29.1's networks, 1×3×224×224."""


@pytest.mark.parametrize("name", FVCORE)
def test_fvcore_flops(name: str) -> None:
    assert fvcore_by_operator(analyze(name)) == FVCORE[name]


@pytest.mark.parametrize("name", FVCORE_ACTIVATIONS)
def test_fvcore_activations(name: str) -> None:
    assert analyze(name).activations == FVCORE_ACTIVATIONS[name]


@pytest.mark.parametrize(("name", "size", "gmacs", "macts"), TIMM)
def test_timm_reports_fvcores_sums(name: str, size: int, gmacs: float, macts: float) -> None:
    analysis = analyze(name, size)
    assert round(CONVENTIONS["fvcore"].count(analysis) / 10**9, 2) == gmacs
    assert round(analysis.activations / 10**6, 2) == macts


@pytest.mark.parametrize("name", PYCLS)
def test_pycls_flops(name: str) -> None:
    assert CONVENTIONS["pycls"].count(analyze(name)) == PYCLS[name]


@pytest.mark.parametrize("name", TORCHINFO)
def test_torchinfo_mult_adds(name: str) -> None:
    assert CONVENTIONS["torchinfo"].count(analyze(name)) == TORCHINFO[name]


def test_torch_counts_two_flops_a_mac() -> None:
    """FlopCounterMode of torch 2.14.1 on ResNet-50 at 224×224."""
    assert CONVENTIONS["flops"].count(analyze("resnet50")) == 8_178_368_512
