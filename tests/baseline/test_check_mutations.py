"""`check` notices every change of every family, and names its stage and first op.

Oracle: the change itself, planted by hand, with the stage and op that a reader of the papers would name.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analyzer as package
from analyzer.baseline import baseline as regression
from analyzer.cost.analysis import analyze
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules

RESNET, BASIC = "resnet:block=bottleneck,depths=2-2", "resnet:block=basic,depths=2-2"
REGNET = "regnet:depths=2-2,widths=16-32"
DENSENET, VGG, ALEXNET = "densenet:depths=2-2", "vgg:config=8-M-16-M", "alexnet"
DENSE1 = "features.denseblock1.denselayer1"
SIZE = 224

MUTATIONS = [
    ("block", BASIC, "resnet:block=bottleneck,depths=2-2,expansion=1", "stage1", "layer1.0.conv1"),
    ("depths", RESNET, "resnet:block=bottleneck,depths=2-3", "stage2", "layer2.2.conv1"),
    ("widths", RESNET, f"{RESNET},widths=64-96", "stage2", "layer2.0.conv1"),
    ("expansion", RESNET, f"{RESNET},expansion=2", "stage1", "layer1.0.conv3"),
    ("cardinality", RESNET, f"{RESNET},cardinality=2,base_width=32", "stage1", "layer1.0.conv2"),
    ("base_width", RESNET, f"{RESNET},base_width=32", "stage1", "layer1.0.conv1"),
    ("stem", RESNET, f"{RESNET},stem=deep", "stem", "conv1.0"),
    ("stem_width", RESNET, f"{RESNET},stem_width=32", "stem", "conv1"),
    ("stem_pool", RESNET, f"{RESNET},stem_pool=valid", "stem", "maxpool"),
    ("shortcut", RESNET, f"{RESNET},shortcut=C", "stage1", "layer1.1.downsample.0"),
    ("stride_on", RESNET, f"{RESNET},stride_on=1x1", "stage2", "layer2.0.conv1"),
    ("avg_down", RESNET, f"{RESNET},avg_down=true", "stage1", "layer1.0.downsample.1"),
    ("preactivation", RESNET, f"{RESNET},preactivation=true", "stem", "maxpool"),
    ("se_reduction", RESNET, f"{RESNET},se_reduction=16", "stage1", "layer1.0.se.avgpool"),
    ("output_stride", RESNET, f"{RESNET},output_stride=4", "stage2", "layer2.0.conv2"),
    ("conv_bias", RESNET, f"{RESNET},conv_bias=true", "stem", "conv1"),
    ("head", RESNET, f"{RESNET},head=pool", "head", "op 3 of head"),
    ("head_pool", RESNET, f"{RESNET},head_pool=2", "head", "avgpool"),
    ("in_channels", RESNET, f"{RESNET},in_channels=1", "stem", "conv1"),
    ("num_classes", RESNET, f"{RESNET},num_classes=10", "head", "fc"),
    ("depths", DENSENET, "densenet:depths=2-3", "stage2", "features.denseblock2.denselayer3.norm1"),
    ("growth_rate", DENSENET, f"{DENSENET},growth_rate=16", "stage1", f"{DENSE1}.conv1"),
    ("init_features", DENSENET, f"{DENSENET},init_features=32", "stem", "features.conv0"),
    ("bottleneck_ratio", DENSENET, f"{DENSENET},bottleneck_ratio=2", "stage1", f"{DENSE1}.conv1"),
    ("compression", DENSENET, f"{DENSENET},compression=1.0", "transition1", "features.transition1.conv"),
    ("stem", DENSENET, f"{DENSENET},stem=cifar", "stem", "features.conv0"),
    ("head", DENSENET, f"{DENSENET},head=pool", "head", "op 5 of head"),
    ("in_channels", DENSENET, f"{DENSENET},in_channels=1", "stem", "features.conv0"),
    ("num_classes", DENSENET, f"{DENSENET},num_classes=10", "head", "classifier"),
    ("depths", REGNET, REGNET.replace("2-2", "2-3"), "stage2", "trunk_output.block2.block2-2.f.a.0"),
    ("widths", REGNET, REGNET.replace("16-32", "16-64"), "stage2", "trunk_output.block2.block2-0.proj.0"),
    ("bottleneck_ratios", REGNET, f"{REGNET},bottleneck_ratios=1-2", "stage2", "trunk_output.block2.block2-0.f.a.0"),
    ("group_widths", REGNET, f"{REGNET},group_widths=16-8", "stage2", "trunk_output.block2.block2-0.f.b.0"),
    ("se_ratio", REGNET, f"{REGNET},se_ratio=0.25", "stage1", "trunk_output.block1.block1-0.f.se.avgpool"),
    ("stem_width", REGNET, f"{REGNET},stem_width=16", "stem", "stem.0"),
    ("head", REGNET, f"{REGNET},head=pool", "head", "op 3 of head"),
    ("in_channels", REGNET, f"{REGNET},in_channels=1", "stem", "stem.0"),
    ("num_classes", REGNET, f"{REGNET},num_classes=10", "head", "fc"),
    ("config", VGG, "vgg:config=8-M-24-M", "stage2", "features.3"),
    ("batch_norm", VGG, f"{VGG},batch_norm=true", "stage1", "features.1"),
    ("head", VGG, f"{VGG},head=pool", "head", "op 3 of head"),
    ("in_channels", VGG, f"{VGG},in_channels=1", "stage1", "features.0"),
    ("num_classes", VGG, f"{VGG},num_classes=10", "head", "classifier.6"),
    ("head", ALEXNET, "alexnet:head=pool", "head", "op 3 of head"),
    ("in_channels", ALEXNET, "alexnet:in_channels=1", "stage1", "features.0"),
    ("num_classes", ALEXNET, "alexnet:num_classes=10", "head", "classifier.6"),
]
"""Field, network, the same with the field changed, and the stage and the first op that are then another."""


def test_every_field_of_every_family_is_mutated() -> None:
    fields = {(family, field) for family in FAMILIES for field in rules(FAMILIES[family].spec)}
    assert {(analyze(base, SIZE).network.family, field) for field, base, *_ in MUTATIONS} == fields


@pytest.mark.parametrize(
    ("field", "base", "changed", "stage", "path"), MUTATIONS, ids=[f"{item[0]}-{item[1][:6]}" for item in MUTATIONS]
)
def test_a_changed_field_is_noticed_and_its_first_op_named(
    monkeypatch: pytest.MonkeyPatch, field: str, base: str, changed: str, stage: str, path: str
) -> None:
    """The changed network takes the place of the one that the baseline knows under that name."""
    before, after = analyze(base, SIZE), analyze(changed, SIZE)
    assert getattr(before.network.spec, field) != getattr(after.network.spec, field)
    key = regression.key_of(before)
    monkeypatch.setattr(regression, "analysis_of", lambda *_: after)
    outcome = regression.check_networks({key: regression.facts(before)})
    assert ("total", "fingerprint") in {(change.place, change.quantity) for change in outcome.changes}
    (moved,) = outcome.moved
    assert (moved.stage, moved.path) == (stage, path)
    places = [change.place for change in outcome.changes if change.place != "total"]
    assert places[:1] in ([stage], []), "the first stage in the table is the op's"


RESNEXT, DENSE, PREACT = "resnext50_32x4d@64", "densenet121@64", "resnetv2_50@64"

FAULTS = {
    "groups dropped": ("residual_block.py", "groups=spec.groups,", "groups=1,", RESNEXT, "stage1", "layer1.0.conv2"),
    "shortcut adds F(x) to itself": (
        "residual_block.py",
        'Node("add", ops.Add(), (transformed, INPUT))',
        'Node("add", ops.Add(), (transformed, transformed))',
        RESNEXT,
        "stage1",
        "layer1.1.add",
    ),
    "stride on the 1×1": (
        "residual_block.py",
        'spec.stride_on == "1x1"',
        'spec.stride_on != "1x1"',
        RESNEXT,
        "stage2",
        "layer2.0.conv1",
    ),
    "projection without batch norm": (
        "residual_block.py",
        "[] if spec.preactivation else [(",
        "[] if spec else [(",
        RESNEXT,
        "stage1",
        "layer1.0.add",
    ),
    "projection of what was not activated": (
        "residual_block.py",
        '_shortcut_and_sum(spec, nodes[-1].name, "relu1")',
        "_shortcut_and_sum(spec, nodes[-1].name, INPUT)",
        PREACT,
        "stage1",
        "layer1.0.downsample.0",
    ),
    "concatenated in the wrong order": (
        "densenet.py",
        '(joined, f"denselayer{index}")',
        '(f"denselayer{index}", joined)',
        DENSE,
        "stage1",
        "features.denseblock1.concat1",
    ),
    "pool unpadded": (
        "densenet.py",
        "MaxPool2d(3, stride=2, padding=1)",
        "MaxPool2d(3, stride=2)",
        DENSE,
        "stem",
        "features.pool0",
    ),
}
"""Fault → file, text, its replacement, and a network with the stage and the first op that it moves."""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, and a baseline of three kinds of networks made from the true one."""
    folder = tmp_path_factory.mktemp("copy")
    own = Path(package.__file__).parent
    shutil.copytree(own, folder / "analyzer", ignore=shutil.ignore_patterns("__pycache__", "pages"))
    regression.write_baseline(folder / "baseline.json", regression.current_facts([RESNEXT, DENSE, PREACT]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_family_code_fails_the_check_and_is_named(copied: Path, fault: str) -> None:
    """Real: the copied source is edited and a process of its own runs `check` on it."""
    file, old, new, network, stage, path = FAULTS[fault]
    source = copied / "analyzer" / "families" / file
    text = source.read_text(encoding="utf-8")
    assert text.count(old) == 1
    source.write_text(text.replace(old, new), encoding="utf-8")
    try:
        command = [sys.executable, "-B", "-m", "analyzer", "check", "--baseline", "baseline.json", "--format", "json"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        ran = subprocess.run(command, cwd=copied, env=environment, capture_output=True, text=True, check=False)
    finally:
        source.write_text(text, encoding="utf-8")
    assert ran.returncode == 1, ran.stderr
    first_ops = {item["network"]: (item["stage"], item["path"]) for item in json.loads(ran.stdout)["first_ops"]}
    assert first_ops[network] == (stage, path)
    assert (DENSE in first_ops) == (file == "densenet.py")
