"""Networks as TOML files: a family or a named variant, its fields, and a title."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import canonical, field_name, make_spec, preset
from analyzer.families.network import Network, network
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Spec, rules

_HEADER_KEYS = ("family", "variant", "title")
_TITLE_LENGTH = 100
MAX_BYTES = 16_384
"""More than any network needs, and little enough for dotted names, whose reading takes the square of their length."""


def network_at(text: str) -> Network:
    """The network of a variant expression, or of the TOML file whose path ends in `.toml`."""
    return read_network(Path(text)) if text.endswith(".toml") else network(text)


def read_network(path: Path) -> Network:
    """The network that a TOML file describes; InvalidInput with one sentence where it describes none."""
    source = shortened(path, 200)
    document = _parse(_content(path, source), source)
    return _with_title(path, network(_spec(document, source)), document.get("title", path.stem))


def read_spec(text: str) -> Spec:
    """The spec that the text of a TOML file describes, whatever its title; InvalidInput where it describes none."""
    data = text.encode(errors="replace")
    return _spec(_parse(data, "TOML"), "TOML")


def _spec(document: dict[str, Any], source: str) -> Spec:
    for name in _HEADER_KEYS:
        if not isinstance(document.get(name, ""), str):
            raise InvalidInput(f"{source}: {name} must be a text.")
    family, start = _start(source, document)
    values: dict[str, Any] = {}
    for word, value in document.items():
        if word not in _HEADER_KEYS:
            name = field_name(family, word)
            if name in values:
                raise InvalidInput(f"{source}: field {name} is given more than once.")
            values[name] = _value(family, name, value)
    return make_spec(family, start | values)


def _content(path: Path, source: str) -> bytes:
    try:
        regular = path.is_file() or not path.exists()
        with path.open("rb") if regular else BytesIO() as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{source}: cannot be read ({error.strerror}).") from None
    except ValueError as error:  # a name with a null character
        raise InvalidInput(f"{source}: cannot be read ({error}).") from None
    if not regular:
        raise InvalidInput(f"{source}: is no regular file, so it cannot be read as TOML.")
    return data


def _parse(data: bytes, source: str) -> dict[str, Any]:
    import tomllib  # only a file needs it, and every verb imports this module

    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{source}: is over {MAX_BYTES} bytes.")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{source}: is no TOML ({shortened(error, 80)}).") from None


def _start(source: str, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    family, variant = document.get("family"), document.get("variant")
    if variant is not None and family is None:
        return preset(variant)
    if family is None or variant is not None:
        raise InvalidInput(f"{source}: needs either family (one of {', '.join(FAMILIES)}) or variant (a name).")
    if family not in FAMILIES:
        raise InvalidInput(f"{source}: family {shortened(family)!r} is unknown; families are {', '.join(FAMILIES)}.")
    return family, {}


def _value(family: str, name: str, value: object) -> object:
    if isinstance(value, str):
        return rules(FAMILIES[family].spec)[name].parse(value)
    return tuple(value) if isinstance(value, list) else value


def _with_title(path: Path, network: Network, title: str) -> Network:
    if not title.strip() or len(title) > _TITLE_LENGTH or not title.isprintable():
        raise InvalidInput(
            f"{shortened(path, 200)}: title must be 1 to {_TITLE_LENGTH} printable characters on one line."
        )
    return replace(network, title=title, path=path.as_posix())


def toml_text(spec: Spec) -> str:
    """The TOML file of a spec: every field with the value it takes effect with."""
    lines = [f"# {canonical(spec)}", f'family = "{spec.family}"']
    for name, value in spec.effective_fields().items():
        lines.append(f"{name} = {_toml(rules(type(spec))[name].text(value) if value is None else value)}")
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
