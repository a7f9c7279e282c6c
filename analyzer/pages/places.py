"""What one can look inside: stages by their key, blocks by their weight path; and what the diagram's ids stand for."""

import re
from html import unescape

from analyzer.cost.analysis import Analysis
from analyzer.cost.walk import Row
from analyzer.render.units import stage_words


def places(analysis: Analysis) -> dict[str, str]:
    """Stage keys and block paths, each stage before its blocks → their words: "stage 1", "stage 1 · layer1.0"."""
    blocks: dict[str, list[str]] = {stage.stage: [] for stage in analysis.stages}
    for block in analysis.blocks:
        blocks[block.stage].append(block.path)
    words: dict[str, str] = {}
    for stage, paths in blocks.items():
        words[stage] = stage_words(stage)
        words |= {path: f"{stage_words(stage)} · {path}" for path in paths}
    return words


def rows_under(analysis: Analysis, place: str) -> list[Row]:
    """The ops of a stage (by its key) or at and below a weight path."""
    return [row for row in analysis.rows if place in (row.stage, row.path) or row.path.startswith(f"{place}.")]


def resolved(analysis: Analysis, svg: str) -> dict[str, str]:
    """Each id in a drawing that stands for a part of the network → the block or stage that it lies in."""
    known = places(analysis)
    stage_of = {row.path: row.stage for row in analysis.rows}
    stage_of |= {span.path: span.stage for span in analysis.spans}
    found: dict[str, str] = {}
    for name in map(unescape, re.findall(r'<g id="([^"]*)" class="(?:node|cluster)\b', svg)):
        block = next((path for path in _ancestors(name) if path in known), None)
        place = block or stage_of.get(name)
        if place:
            found[name] = place
    return found


def _ancestors(path: str) -> list[str]:
    """A path and the paths above it, nearest first: "a.b.c", "a.b", "a"."""
    parts = path.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
