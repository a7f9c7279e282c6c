"""A network as an ONNX model, checked by what onnxruntime computes with it."""

import contextlib
import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from analyzer.cost.analysis import Analysis
from analyzer.errors import InvalidInput
from analyzer.extras import require
from analyzer.live.network.build import build
from analyzer.live.weights.load import load_weights

MAX_BYTES = 2**31 - 1
"""Of one ONNX file, which is a protocol buffer."""

TOLERANCE = 1e-3
"""Of the largest magnitude: onnxruntime fuses batch norms and sums in other orders, in float32."""

_IMAGE, _OUTPUT = "image", "output"


class OnnxFile(NamedTuple):
    """The file's bytes; and the largest magnitude of onnxruntime's output and of its difference, if installed."""

    content: bytes
    opset: int
    checked_by: str = ""
    magnitude: float = 0.0
    difference: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether onnxruntime, if asked, computes the same up to rounding."""
        return not self.checked_by or self.difference <= TOLERANCE * max(self.magnitude, 1e-30)


def onnx_file(analysis: Analysis, weights: Path | None = None) -> OnnxFile:
    """The ONNX model of a network in evaluation mode, for any batch of images of the analysed size, float32.

    Weights are those of a file for `load_weights`, or the initial ones of a fixed seed; the random state is left as
    it was. Raises Unavailable where a package of the extra `onnx` is missing, InvalidInput where the weights do not fit
    or the file would be over 2 GiB.
    """
    require("onnx", "onnx", "onnxscript")
    if analysis.totals.params_bytes > MAX_BYTES:
        raise InvalidInput(
            f"{analysis.variant}: its {analysis.totals.params_bytes} bytes of parameters are over 2 GiB."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build(analysis.network).eval()
        if weights is not None:
            load_weights(net, weights)
        images = torch.randn(2, *analysis.input_shape)
    model = _model(net, images)
    exported = OnnxFile(model.SerializeToString(), max(entry.version for entry in model.opset_import))
    return _checked_by_onnxruntime(exported, net, images) if find_spec("onnxruntime") else exported


def _model(net: nn.Module, images: Tensor) -> Any:
    """The ModelProto; the exporter's output and torch's own warnings are not shown."""
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (images,),
            dynamo=True,
            dynamic_shapes=({0: batch},),
            input_names=[_IMAGE],
            output_names=[_OUTPUT],
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _checked_by_onnxruntime(exported: OnnxFile, net: nn.Module, images: Tensor) -> OnnxFile:
    """The same file, with onnxruntime's result, at another batch than it was exported with."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported.content, providers=["CPUExecutionProvider"])
    batch = torch.cat([images, images.flip(3)[:1]])
    (theirs,) = session.run([_OUTPUT], {_IMAGE: batch.numpy()})
    with torch.no_grad():
        ours = net(batch)
    return exported._replace(
        checked_by=f"onnxruntime {onnxruntime.__version__}",
        magnitude=float(ours.abs().max()),
        difference=float((ours - torch.from_numpy(theirs)).abs().max()),
    )
