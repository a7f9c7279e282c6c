"""JSON with one fact a line, and each list of numbers or words on one."""

import json
from typing import Any


def compact(value: Any, indent: str = "") -> str:
    """JSON text, two spaces a level, whose lists of plain values stay on one line; NaN is refused."""
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{_plain(name)}: {compact(item, deeper)}" for name, item in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return "[\n" + ",\n".join(deeper + compact(item, deeper) for item in value) + f"\n{indent}]"
    return _plain(value)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
