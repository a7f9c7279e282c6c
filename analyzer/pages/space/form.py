"""The widgets of the design space page, each in the address: where a space starts, what varies, and its limits."""

import re
import tomllib
from typing import Any, NamedTuple

import streamlit as st

from analyzer.errors import InvalidInput, shortened
from analyzer.families.expression import parse
from analyzer.families.network import MAX_SIDE
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import rules
from analyzer.pages.explore.cached import cached_analysis
from analyzer.pages.space.incremental_sweep import MAX_CANDIDATES
from analyzer.pages.state.server_values import (
    MAX_WIDGET_CHARS,
    is_current_widget,
    restore_widget_values,
    save_widget_values,
    synced_widget_key,
)
from analyzer.pages.state.url_parameters import bounded_text, expect_at_most, expect_choice, expect_number
from analyzer.sweep.results.nearest import Target, targets_of
from analyzer.sweep.space.space import SPACES, Space, space
from analyzer.text.units import parse_count


class ExampleSpace(NamedTuple):
    """What the fields of an example say: `start` is a variant expression or a family's name.

    `lines` are `field = values`, one a line; `samples` candidates are drawn, or all for None.
    """

    title: str
    start: str
    lines: str
    condition: str
    samples: int | None


def example_spaces() -> dict[str, ExampleSpace]:
    """Title → the space, for each space in the package, in the order of the files' names."""
    spaces = [_example_space(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(SPACES.glob("*.toml"))]
    return {example.title: example for example in spaces}


def _example_space(document: dict[str, Any]) -> ExampleSpace:
    fields = {**document.get("variables", {}), **document.get("fields", {})}
    return ExampleSpace(
        title=document["title"],
        start=document.get("variant") or document["family"],
        lines="\n".join(f"{name} = {_values_text(raw)}" for name, raw in fields.items()),
        condition=" and ".join(f"({constraint})" for constraint in document.get("constraints", [])),
        samples=document.get("samples"),
    )


def _values_text(raw: Any) -> str:
    match raw:
        case bool():
            return str(raw).lower()
        case {"each": each, "stages": stages}:
            return f"[{', '.join([_values_text(each)] * stages)}]"
        case {"from": low, "to": high, **more}:
            return " ".join([f"{low}..{high}", *(f"{word} {each}" for word, each in more.items())])
        case list():
            return f"[{', '.join(map(_values_text, raw))}]"
        case _:
            return str(raw)


START, VARIABLES, OTHER_LIMITS, TARGET = "start", "vary", "also", "target"
SIDE, SAMPLES, FRONT = "space_size", "drawn", "front"
LIMITS = {"params": "25.6M", "macs": "4.1G", "activations": "12M"}
"""Figures with a limit of their own, and an example of one."""
_LIMIT_LABELS = {"params": "parameters", "macs": "MACs", "activations": "activations"}
OBJECTIVES = {
    "params": "fewest parameters",
    "max:params": "most parameters",
    "macs": "fewest MACs",
    "activations": "fewest activations",
    "max:depth": "greatest depth",
    "depth": "least depth",
}
DEFAULT_OBJECTIVES = ("macs", "max:params")
MAX_OBJECTIVES = 4

DEFAULT_START, DEFAULT_VARIABLES = (
    "resnet50",
    "depths = [2..4, 2..6, 2..23, 2..4]\nwidths = [64, 128, 192..320 step 32, 384..640 step 64]",
)


_TEXT_LABELS = {START: "start from", VARIABLES: "what varies", OTHER_LIMITS: "other limits", TARGET: "solve for"} | {
    f"most_{figure}": f"most {words}" for figure, words in _LIMIT_LABELS.items()
}
"""Key of a text box → what it is called."""


class SearchRequest(NamedTuple):
    """A space, its objectives as (column, whether the most is best), and the targets that a network shall come near."""

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    targets: tuple[Target, ...]


def choose_space() -> tuple[SearchRequest | None, str]:
    """Show the widgets; the request and "", or None and the sentence why there is none."""
    names = [START, VARIABLES, OTHER_LIMITS, SIDE, SAMPLES, FRONT, TARGET, *map(limit_key, LIMITS)]
    restore_widget_values(*names)
    values = _show_widgets()
    save_widget_values(**values)
    try:
        return _sweep_request(values), ""
    except InvalidInput as error:
        return None, str(error)


def limit_key(figure: str) -> str:
    """The name of a figure's limit in the address."""
    return f"most_{figure}"


def _show_widgets() -> dict[str, Any]:
    example = st.container()
    values: dict[str, Any] = {START: _start_box(), VARIABLES: _variables_box()}
    with st.container(key="small_fields"):
        side, samples = st.columns(2)
        values |= {SIDE: _side_box(side), SAMPLES: _samples_box(samples)}
        values |= _limit_boxes()
    with example:
        _example_box(values)
    return values | {FRONT: _front_box(), TARGET: _target_box()}


def _example_box(values: dict[str, Any]) -> None:
    """Show a choice of spaces from papers, which shows the one that the fields state."""
    titles = list(example_spaces())
    current = next((title for title in titles if _example_fields(title).items() <= values.items()), None)
    box = synced_widget_key("example", current)
    st.selectbox(
        "Example",
        titles,
        index=None if current is None else titles.index(current),
        key=box,
        placeholder="spaces from papers",
        on_change=_on_example_change,
        args=(box,),
        help="Fills in the fields; then change what you like.",
    )


def _on_example_change(box: str) -> None:
    if is_current_widget(box) and st.session_state[box]:
        st.session_state.update(_example_fields(st.session_state[box]))


def _example_fields(title: str) -> dict[str, Any]:
    """Key of each field → its value in an example."""
    example = example_spaces()[title]
    samples = min(example.samples, MAX_CANDIDATES) if example.samples else None
    texts = dict(zip((START, VARIABLES, OTHER_LIMITS), example[1:4], strict=True))
    return {**texts, SAMPLES: samples} | {limit_key(figure): "" for figure in LIMITS}


def _start_box() -> str:
    text: str = st.text_input(
        "Start from",
        DEFAULT_START,
        key=START,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        help="A variant expression, or a family such as resnet; what does not vary below is as in this network.",
    )
    return text


def _side_box(column: Any) -> int | None:
    expect_number(SIDE, 1, MAX_SIDE)
    side: int | None = column.number_input(
        "Input size",
        min_value=1,
        max_value=MAX_SIDE,
        value=None,
        step=1,
        key=SIDE,
        bind="query-params",
        placeholder="each its own",
        help="Height and width in pixels; empty: the network's own.",
    )
    return side


def _samples_box(column: Any) -> int | None:
    expect_number(SAMPLES, 1, MAX_CANDIDATES)
    samples: int | None = column.number_input(
        "Draw at random",
        min_value=1,
        max_value=MAX_CANDIDATES,
        value=None,
        step=1,
        key=SAMPLES,
        bind="query-params",
        placeholder="all",
        help="So many candidates, drawn evenly with a fixed seed; empty: every one.",
    )
    return samples


def _variables_box() -> str:
    text: str = st.text_area(
        "What varies, a line each",
        DEFAULT_VARIABLES,
        key=VARIABLES,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        height=76,
        help=(
            "`field = values`: a range `2..12`, `64..512 step 8`, `16..256 times 2`; a list `[1, 8, 32]`; a stage each "
            "`[3, 4, 2..23, 3]` or `depths[2] = 2..23`; or an expression of other fields and of names of your own."
        ),
    )
    return text


def _limit_boxes() -> dict[str, str]:
    values: dict[str, str] = {}
    for column, (figure, example) in zip(st.columns(len(LIMITS)), LIMITS.items(), strict=True):
        values[limit_key(figure)] = column.text_input(
            f"Most {_LIMIT_LABELS[figure]}",
            key=limit_key(figure),
            bind="query-params",
            max_chars=MAX_WIDGET_CHARS,
            placeholder=example,
        )
    values[OTHER_LIMITS] = st.text_input(
        "Other limits",
        key=OTHER_LIMITS,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        placeholder="widths[0] % 8 == 0 and depth <= 101",
        help="An expression of fields, params, macs, flops, activations and depth.",
    )
    return values


def _target_box() -> str:
    text: str = st.text_input(
        "Solve for",
        key=TARGET,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        placeholder="macs=-20% params=0%",
        help="The nearest network to these figures; per cent are of the network that the space starts from.",
    )
    return text


def _front_box() -> list[str]:
    expect_choice(FRONT, OBJECTIVES.values())
    expect_at_most(FRONT, MAX_OBJECTIVES)
    objectives: list[str] = st.multiselect(
        "Best in",
        list(OBJECTIVES),
        default=list(DEFAULT_OBJECTIVES),
        key=FRONT,
        bind="query-params",
        format_func=OBJECTIVES.__getitem__,
        max_selections=MAX_OBJECTIVES,
        help="The Pareto front: networks that no other beats in all of these.",
    )
    return objectives


def _sweep_request(values: dict[str, Any]) -> SearchRequest:
    for key, name in _TEXT_LABELS.items():
        bounded_text(name, values[key])
    start = values[START].strip()
    family = start if start in FAMILIES else parse(start).family
    variables, fields = _assignments(family, values[VARIABLES])
    search_space = space(
        title="design space",
        family=family if start == family else None,
        variant=None if start == family else start,
        fields=fields,
        variables=variables,
        constraints=_constraints(values),
        input_sizes=[values[SIDE]] if values[SIDE] else [],
        samples=values[SAMPLES],
    )
    _refuse_unread(search_space, variables)
    return SearchRequest(search_space, _objectives(values[FRONT]), _targets(values))


def _targets(values: dict[str, Any]) -> tuple[Target, ...]:
    if not values[TARGET].strip():
        return ()
    texts = re.findall(r"(?:\[[^\]]*\]|\S)+", values[TARGET])
    return targets_of(texts, cached_analysis(values[START].strip(), values[SIDE]))


def _assignments(family: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """(variables, fields), each name → its values: a name that the family knows is a field."""
    field_names = {*rules(FAMILIES[family].spec), *FAMILIES[family].words}
    variables: dict[str, str] = {}
    fields: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, values = (part.strip() for part in line.partition("="))
        if not equals or not values:
            raise InvalidInput(f"{shortened(line)!r} must be field = values, such as depths[2] = 2..23.")
        assignments = fields if name.partition("[")[0].strip() in field_names or "[" in name else variables
        if name in assignments:
            raise InvalidInput(f"{shortened(name)} is given more than once.")
        assignments[name] = values
    return variables, fields


def _constraints(values: dict[str, Any]) -> list[str]:
    limits = [
        f"{figure} <= {parse_count(_LIMIT_LABELS[figure], text)}"
        for figure in LIMITS
        if (text := values[limit_key(figure)])
    ]
    return [*limits, *([values[OTHER_LIMITS]] if values[OTHER_LIMITS].strip() else [])]


def _refuse_unread(search_space: Space, variables: dict[str, str]) -> None:
    """Refuse variables that no expression reads: a mistyped field would be one, and change nothing."""
    names_read = {name.partition("[")[0] for _, expression in search_space.derived for name in expression.names}
    names_read |= {name.partition("[")[0] for expression in search_space.constraints for name in expression.names}
    for name in variables:
        if name not in names_read:
            raise InvalidInput(f"{shortened(name)!r} is no field of {search_space.family}, and no expression reads it.")


def _objectives(objectives: list[str]) -> tuple[tuple[str, bool], ...]:
    columns = [word.removeprefix("max:") for word in objectives]
    if not 2 <= len(set(columns)) == len(columns) <= MAX_OBJECTIVES:
        raise InvalidInput(f"best in: choose 2 to {MAX_OBJECTIVES} different figures.")
    return tuple((word.removeprefix("max:"), word.startswith("max:")) for word in objectives)
