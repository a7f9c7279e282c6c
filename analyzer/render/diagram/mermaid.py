"""Drawings as Mermaid flowcharts, which GitHub shows in markdown; laid out by the reader's browser."""

import json
from dataclasses import replace

from analyzer.errors import InvalidInput
from analyzer.render.diagram.picture import Arrow, Box, BoxDiagram, Frame, Role, one_line
from analyzer.render.diagram.style import DEFAULT_STYLE, DiagramStyle

MAX_ARROWS, MAX_CHARACTERS = 500, 50_000
"""Mermaid's own limits, which GitHub keeps."""

_SHAPES: dict[Role, tuple[str, str]] = {
    "section": ("(", ")"),
    "transition": ("[\\", "/]"),
    "block": ("[", "]"),
    "conv": ("[", "]"),
    "pool": ("[", "]"),
    "slim": ("([", "])"),
    "add": ("((", "))"),
    "concat": ("(", ")"),
    "fork": ("((", "))"),
    "port": ("[", "]"),
}
_CONFIG = ("config:", "  flowchart:", "    wrappingWidth: 400")
_DASHED = ("projection", "zero-pad")
_ESCAPED = {ord(sign): f"#{ord(sign)};" for sign in '"#&<>`%;\\{}|'}


def mermaid_text(diagram: BoxDiagram, style: DiagramStyle = DEFAULT_STYLE) -> str:
    """The picture as a flowchart; InvalidInput where it has over 500 arrows or 50,000 characters."""
    ids = {box.name: f"n{number}" for number, box in enumerate(diagram.boxes, 1)}
    lines = ["---", f"title: {json.dumps(one_line(diagram.title, 160), ensure_ascii=False)}", *_CONFIG, "---"]
    lines += [f"flowchart {'LR' if diagram.across else 'TB'}", f"  accDescr: {_escaped_line(diagram.description)}"]
    for number, frame in enumerate(diagram.frames, 1):
        lines += _subgraph(frame, number, ids)
    arrows = [arrow for arrow in diagram.arrows if arrow.flow != "guide"]
    lines += [f"  {ids[arrow.tail]} {_link(arrow)} {ids[arrow.head]}" for arrow in arrows]
    lines += _class_definitions(diagram, ids, style)
    text = "\n".join(lines) + "\n"
    if len(arrows) > MAX_ARROWS or len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"mermaid: {len(arrows)} arrows and {len(text)} characters are over Mermaid's bounds of {MAX_ARROWS} and "
            f"{MAX_CHARACTERS}; take a coarser level, one stage, or another format."
        )
    return text


def _subgraph(frame: Frame, number: int, ids: dict[str, str]) -> list[str]:
    """A frame's heading is one line, since Mermaid leaves room for no more; its facts stand where it is left."""
    if not frame.title:
        return [f"  {ids[box.name]}{_shape(box)}" for box in frame.boxes]
    facts_box = next((box for box in reversed(frame.boxes) if box.role in ("port", "fork")), None)
    facts = [f"→ {fact}" if "×" in fact and facts_box and facts_box.role == "fork" else fact for fact in frame.facts]
    boxes = [
        replace(box, facts=tuple(dict.fromkeys((*box.facts, *facts)))) if box is facts_box else box
        for box in frame.boxes
    ]
    heading = _escaped_line(" · ".join((frame.title, *frame.lines)))
    return [f'  subgraph f{number}["{heading}"]', *(f"    {ids[box.name]}{_shape(box)}" for box in boxes), "  end"]


def _shape(box: Box) -> str:
    left, right = _SHAPES["port" if box.role == "fork" and box.facts else box.role]
    words = _node_text((box.title,) if box.title else (), box.lines, box.facts) or " "
    return f'{left}"{words}"{right}'


def _node_text(*groups: tuple[str, ...]) -> str:
    return "<br/>".join(_escaped_line(text) for group in groups for text in group)


def _escaped_line(text: str) -> str:
    return one_line(text).translate(_ESCAPED)


def _link(arrow: Arrow) -> str:
    dashed = arrow.flow in _DASHED
    if arrow.label:
        return f'-. "{_escaped_line(arrow.label)}" .->' if dashed else f'-- "{_escaped_line(arrow.label)}" -->'
    return "-.->" if dashed else "-->"


def _class_definitions(diagram: BoxDiagram, ids: dict[str, str], style: DiagramStyle) -> list[str]:
    """A class for each role and shade, so that the colours are those of the other formats."""
    colours = style.palette
    white, grey = (colours.paper, colours.accent), (colours.grey, colours.rim)
    fills: dict[Role, tuple[str, str]] = dict.fromkeys(("block", "conv", "add", "concat"), white)
    fills |= dict.fromkeys(("section", "transition", "pool", "slim"), grey)
    fills |= {"port": ("none", "none")}
    members: dict[tuple[Role, int | None], list[str]] = {}
    for box in diagram.boxes:
        role: Role = "port" if box.role == "fork" else box.role
        members.setdefault((role, box.heat), []).append(ids[box.name])
    lines = []
    for (role, heat), names in members.items():
        fill, stroke = fills[role]
        name = role if heat is None else f"{role}{heat}"
        fill = fill if heat is None else colours.heats[heat]
        lines.append(f"  classDef {name} fill:{fill},stroke:{stroke},color:{colours.ink}")
        lines.append(f"  class {','.join(names)} {name}")
    framed = [f"f{number}" for number, frame in enumerate(diagram.frames, 1) if frame.title]
    if framed:
        lines.append(f"  classDef frame fill:{colours.tint},stroke:{colours.rim},color:{colours.ink}")
        lines.append(f"  class {','.join(framed)} frame")
    return lines
