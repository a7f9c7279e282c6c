"""ONNX export: onnxruntime computes what the network does, for any batch; what is missing or wrong is told.

Oracle: onnxruntime's output (reference output) and the model's own names and shapes.
"""

from pathlib import Path

import pytest
import torch

from analyzer import extras
from analyzer.cli import main
from analyzer.cost.analysis import analyze
from analyzer.errors import InvalidInput, Unavailable
from analyzer.live.network import onnx_file as exporting
from analyzer.live.network.build import build
from analyzer.live.network.onnx_file import OnnxFile, onnx_file

pytest.importorskip("onnxscript", reason="ONNX is in the extra onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra onnx")

TINY = "resnet:block=basic,depths=1-1,widths=4-8,stem=cifar,stem_width=4,shortcut=A,num_classes=3"
KINDS = {
    "gated, pre-activated": "resnet:block=bottleneck,depths=1,widths=4,stem_width=4,preactivation=true,se_reduction=4",
    "densely connected": "densenet:depths=2,growth_rate=4,init_features=8",
}


@pytest.mark.parametrize("expression", KINDS.values(), ids=KINDS)
def test_onnxruntime_computes_the_same_at_another_batch(expression: str) -> None:
    """Reference output: onnxruntime at batch 3, exported at batch 2, within rounding."""
    found = onnx_file(analyze(expression, 32))
    assert found.checked_by.startswith("onnxruntime ")
    assert found.agrees
    assert found.magnitude > 0
    assert found.difference <= 1e-5 * found.magnitude


def test_the_verb_writes_a_model_whose_names_and_shapes_are_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Closed form: input and output shapes; every weight under its path; nothing but one sentence on stderr."""
    import onnx

    monkeypatch.chdir(tmp_path)
    assert main(["export", TINY, "--format", "onnx", "--output", "net.onnx"]) == 0
    shown = capfd.readouterr()
    assert shown.out == ""
    assert [line.split()[0] for line in shown.err.splitlines()] == ["opset", "wrote"]
    model = onnx.load("net.onnx")
    onnx.checker.check_model(model)
    (image,), (output,) = model.graph.input, model.graph.output
    sides = [dim.dim_value or dim.dim_param for dim in image.type.tensor_type.shape.dim]
    assert (image.name, output.name, sides) == ("image", "output", ["batch", 3, 32, 32])
    assert {"conv1.weight", "layer1.0.conv2.weight", "fc.weight"} <= {value.name for value in model.graph.initializer}


def test_a_model_takes_its_weights_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reference: the classifier's bias in the model is that of the file; a PyTorch file takes none."""
    import onnx

    net = build(TINY)
    torch.nn.init.constant_(net.get_parameter("fc.bias"), 7.0)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    model = onnx.load_from_string(onnx_file(analyze(TINY), tmp_path / "net.pth").content)
    (bias,) = (value for value in model.graph.initializer if value.name == "fc.bias")
    assert onnx.numpy_helper.to_array(bias).tolist() == [7.0, 7.0, 7.0]
    assert main(["export", TINY, "--weights", "net.pth"]) == 2
    assert capsys.readouterr().err.startswith("--weights: a PyTorch file holds no weights;")


def test_a_model_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = OnnxFile(b"x", 20, "onnxruntime 1", 2.0, 0.5)
    assert not wrong.agrees
    assert not wrong._replace(difference=float("nan")).agrees
    monkeypatch.setattr(exporting, "onnx_file", lambda *_: wrong)
    monkeypatch.chdir(tmp_path)
    assert main(["export", TINY, "--format", "onnx"]) == 1
    assert "computes something else, so nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(Unavailable, match=r"^This needs onnxscript, .*install resnet-analyzer\[onnx\]"):
        onnx_file(analyze(TINY))
    assert main(["export", TINY, "--format", "onnx"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert OnnxFile(b"x", 20).agrees


def test_a_file_over_two_gib_is_refused() -> None:
    """Closed form: two 3×3 convolutions of 16,384 channels, 4 bytes a number."""
    huge = analyze("resnet:block=basic,depths=1,widths=16384,stem_width=64")
    assert huge.totals.params_bytes > exporting.MAX_BYTES
    with pytest.raises(InvalidInput, match=r"bytes of parameters are over 2 GiB\.$"):
        onnx_file(huge)
