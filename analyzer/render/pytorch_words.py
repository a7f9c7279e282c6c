"""The words of generated code: names of classes, and what their docstrings say; ASCII only."""

import re
import textwrap

from analyzer.graph import Graph
from analyzer.ops import Add, BatchNorm2d, Conv2d
from analyzer.render.pytorch_code import WIDTH
from analyzer.render.pytorch_parts import Definition

_CLASSES = {"basic": "BasicBlock", "dense": "DenseBlock"}
_KNOWN = {
    "dense": "Layers of which each reads the block's input and all earlier layers' outputs.",
    "dense_layer": "What one layer adds to the features that it reads.",
    "squeeze_excitation": "Squeeze-and-excitation (Hu et al. 2018): a gate for each channel.",
    "projection": "The shortcut that fits a block's input to its output.",
    "transform": "What a block adds to its shortcut.",
    "transition": "A 1x1 convolution and half the resolution, between two dense blocks.",
}


def ascii_text(text: str) -> str:
    """The text in ASCII on one line, without what could end a docstring."""
    plain = " ".join(text.split()).translate(
        {0xD7: "x", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0x2192: "->", ord("\\"): "/", ord('"'): "'"}
    )
    return plain.encode("ascii", "replace").decode()


def wrapped(text: str, indent: int) -> list[str]:
    """The text in lines that fit behind the margin."""
    return textwrap.wrap(ascii_text(text), WIDTH - indent, break_long_words=True, break_on_hyphens=False) or [""]


def class_name(text: str) -> str:
    """A text as the name of a class, "wide resnet" as WideResnet; digits that meet are kept apart."""
    words = [word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", text) if word]
    joined = ""
    for word in words:
        joined += ("_" if joined[-1:].isdigit() and word[0].isdigit() else "") + word
    return joined if joined[:1].isalpha() else f"Net{joined}"


def function_name(text: str) -> str:
    """A kind as a function's name: letters, digits and underscores, a letter first."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if name[:1].isalpha() else f"part_{name}"


def definition_name(made: Definition) -> str:
    """What a definition is called, before names are made different."""
    kind = "dense" if made.form == "dense" else made.kind
    return _CLASSES.get(kind, class_name(kind)) if made.is_class else function_name(kind)


def about(made: Definition, more: str) -> list[str]:
    """The docstring of a definition: a summary that fits on one line, then `more`."""
    kind = "dense" if made.form == "dense" else made.kind
    summary = _KNOWN.get(kind) or _convolutions(made.template)
    early = "Norm and ReLU come before each convolution. " if _preactivated(made.template) else ""
    return [summary, *(wrapped(early + more, 4) if early or more else [])]


def _preactivated(graph: Graph) -> bool:
    """Whether a residual block begins with a norm."""
    return isinstance(graph.nodes[0].op, BatchNorm2d) and any(isinstance(node.op, Add) for node in graph.nodes)


def _convolutions(graph: Graph) -> str:
    """The convolutions of a graph by their kernels, and whether a shortcut goes around them."""
    convs = [node.op for node in graph.nodes if isinstance(node.op, Conv2d)]
    if not convs:
        return f"{ascii_text(graph.kind).replace('_', ' ').capitalize()[:60]}."
    kernels = [f"{conv.kernel}x{conv.kernel}" for conv in convs]
    listed = f"{', '.join(kernels[:-1])} and {kernels[-1]}" if len(kernels) > 1 else kernels[0]
    listed = listed if len(listed) <= 40 else f"{len(kernels)}"
    shortcut = ", and a shortcut around them" if any(isinstance(node.op, Add) for node in graph.nodes) else ""
    return f"{listed} convolution{'s' if len(kernels) > 1 else ''}{shortcut}."


def counted(number: int, kind: str) -> str:
    """A number of blocks: "3 bottlenecks", "6 dense layers", "2 basic blocks"."""
    word = {"basic": "basic block"}.get(kind, kind.replace("_", " "))
    return f"{number} {ascii_text(word)}{'s' if number > 1 else ''}"
