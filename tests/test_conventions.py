"""Other tools' counting rules against the figures those tools report (published, or measured with the version named)."""

import pytest

from analyzer.cost import conventions
from analyzer.cost.analysis import analyze

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

FVCORE_ACTIVATIONS = {
    "resnet18": {"conv": 2483712, "linear": 1000},
    "resnet50": {"conv": 11113984, "linear": 1000},
    "resnext50_32x4d": {"conv": 14400512, "linear": 1000},
    "densenet169": {"conv": 7300608, "linear": 1000},
}
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

TORCHVISION = {
    "resnet18": 1.814,
    "resnet34": 3.664,
    "resnet50": 4.089,
    "densenet121": 2.834,
    "wide_resnet101_2": 22.753,
}
"""_ops in the meta of torchvision 0.29.1's weights."""


@pytest.mark.parametrize("name", FVCORE)
def test_fvcore_flops(name: str) -> None:
    assert conventions.fvcore_flops(analyze(name)) == FVCORE[name]


@pytest.mark.parametrize("name", FVCORE_ACTIVATIONS)
def test_fvcore_activations(name: str) -> None:
    assert conventions.fvcore_activations(analyze(name)) == FVCORE_ACTIVATIONS[name]


@pytest.mark.parametrize(("name", "size", "gmacs", "macts"), TIMM)
def test_timm_reports_fvcores_sums(name: str, size: int, gmacs: float, macts: float) -> None:
    analysis = analyze(name, size)
    assert round(conventions.fvcore_flops(analysis).total() / 10**9, 2) == gmacs
    assert round(conventions.fvcore_activations(analysis).total() / 10**6, 2) == macts


@pytest.mark.parametrize("name", PYCLS)
def test_pycls_flops(name: str) -> None:
    assert conventions.pycls_flops(analyze(name)) == PYCLS[name]


@pytest.mark.parametrize("name", TORCHINFO)
def test_torchinfo_mult_adds(name: str) -> None:
    assert conventions.torchinfo_mult_adds(analyze(name)) == TORCHINFO[name]


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_gflops(name: str) -> None:
    assert conventions.torchvision_gflops(analyze(name)) == TORCHVISION[name]


def test_torch_flops() -> None:
    """2 × 4,089,184,256, as FlopCounterMode of torch 2.14.1 counts ResNet-50 at 224×224."""
    assert conventions.torch_flops(analyze("resnet50")) == 8_178_368_512
