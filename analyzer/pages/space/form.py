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
from analyzer.pages.space.background import MAX_CANDIDATES
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
    """A variant expression or a family's name, `field = values` a line, a condition, and how many are drawn."""

    title: str
    start: str
    lines: str
    condition: str
    samples: int | None


def example_spaces() -> dict[str, ExampleSpace]:
    """Title → the space, those of the program, in the order of their names."""
    found = [_example_space(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(SPACES.glob("*.toml"))]
    return {each.title: each for each in found}


def _example_space(document: dict[str, Any]) -> ExampleSpace:
    described = {**document.get("variables", {}), **document.get("fields", {})}
    return ExampleSpace(
        title=document["title"],
        start=document.get("variant") or document["family"],
        lines="\n".join(f"{name} = {_values(raw)}" for name, raw in described.items()),
        condition=" and ".join(f"({each})" for each in document.get("constraints", [])),
        samples=document.get("samples"),
    )


def _values(raw: Any) -> str:
    match raw:
        case bool():
            return str(raw).lower()
        case {"each": each, "stages": stages}:
            return f"[{', '.join([_values(each)] * stages)}]"
        case {"from": low, "to": high, **more}:
            return " ".join([f"{low}..{high}", *(f"{word} {each}" for word, each in more.items())])
        case list():
            return f"[{', '.join(map(_values, raw))}]"
        case _:
            return str(raw)


START, VARY, ALSO, SIDE, DRAWN, FRONT, TARGET = "start", "vary", "also", "space_size", "drawn", "front", "target"
LIMITS = {"params": "25.6M", "macs": "4.1G", "activations": "12M"}
"""Figures with a limit of their own, and an example of one."""
_LIMIT_WORDS = {"params": "parameters", "macs": "MACs", "activations": "activations"}
OBJECTIVES = {
    "params": "fewest parameters",
    "max:params": "most parameters",
    "macs": "fewest MACs",
    "activations": "fewest activations",
    "max:depth": "greatest depth",
    "depth": "least depth",
}
FIRST_FRONT = ("macs", "max:params")
MAX_OBJECTIVES = 4

FIRST_START, FIRST_VARY = (
    "resnet50",
    "depths = [2..4, 2..6, 2..23, 2..4]\nwidths = [64, 128, 192..320 step 32, 384..640 step 64]",
)


_TEXTS = {START: "start from", VARY: "what varies", ALSO: "other limits", TARGET: "solve for"} | {
    f"most_{figure}": f"most {words}" for figure, words in _LIMIT_WORDS.items()
}
"""Key of a text box → what it is called."""


class SearchRequest(NamedTuple):
    """A space, what its front weighs, and the figures that the nearest network is sought for."""

    space: Space
    objectives: tuple[tuple[str, bool], ...]
    targets: tuple[Target, ...]


def choose_space() -> tuple[SearchRequest | None, str]:
    """Show the widgets; what is asked for and "", or None and why that is no space."""
    names = [START, VARY, ALSO, SIDE, DRAWN, FRONT, TARGET, *map(limit_key, LIMITS)]
    restore_widget_values(*names)
    given = _widgets()
    save_widget_values(**given)
    try:
        return _sweep_request(given), ""
    except InvalidInput as error:
        return None, str(error)


def limit_key(figure: str) -> str:
    """Under which a limit stands in the address."""
    return f"most_{figure}"


def _widgets() -> dict[str, Any]:
    example = st.container()
    given: dict[str, Any] = {START: _start_box(), VARY: _vary_box()}
    with st.container(key="small_fields"):
        side, drawn = st.columns(2)
        given |= {SIDE: _side_box(side), DRAWN: _drawn_box(drawn)}
        given |= _limit_boxes()
    with example:
        _example_box(given)
    return given | {FRONT: _front_box(), TARGET: _target_box()}


def _example_box(given: dict[str, Any]) -> None:
    """The spaces from papers; the one that the fields state is shown."""
    titles = list(example_spaces())
    stated = next((title for title in titles if _example_fields(title).items() <= given.items()), None)
    box = synced_widget_key("example", stated)
    st.selectbox(
        "Example",
        titles,
        index=None if stated is None else titles.index(stated),
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
    """What an example's fields hold."""
    example = example_spaces()[title]
    samples = min(example.samples, MAX_CANDIDATES) if example.samples else None
    texts = dict(zip((START, VARY, ALSO), example[1:4], strict=True))
    return {**texts, DRAWN: samples} | {limit_key(figure): "" for figure in LIMITS}


def _start_box() -> str:
    text: str = st.text_input(
        "Start from",
        FIRST_START,
        key=START,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        help="A variant expression, or a family such as resnet; what does not vary below is as in this network.",
    )
    return text


def _side_box(place: Any) -> int | None:
    expect_number(SIDE, 1, MAX_SIDE)
    side: int | None = place.number_input(
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


def _drawn_box(place: Any) -> int | None:
    expect_number(DRAWN, 1, MAX_CANDIDATES)
    drawn: int | None = place.number_input(
        "Draw at random",
        min_value=1,
        max_value=MAX_CANDIDATES,
        value=None,
        step=1,
        key=DRAWN,
        bind="query-params",
        placeholder="all",
        help="So many candidates, drawn evenly with a fixed seed; empty: every one.",
    )
    return drawn


def _vary_box() -> str:
    text: str = st.text_area(
        "What varies, a line each",
        FIRST_VARY,
        key=VARY,
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
    given: dict[str, str] = {}
    for column, (figure, example) in zip(st.columns(len(LIMITS)), LIMITS.items(), strict=True):
        given[limit_key(figure)] = column.text_input(
            f"Most {_LIMIT_WORDS[figure]}",
            key=limit_key(figure),
            bind="query-params",
            max_chars=MAX_WIDGET_CHARS,
            placeholder=example,
        )
    given[ALSO] = st.text_input(
        "Other limits",
        key=ALSO,
        bind="query-params",
        max_chars=MAX_WIDGET_CHARS,
        placeholder="widths[0] % 8 == 0 and depth <= 101",
        help="An expression of fields, params, macs, flops, activations and depth.",
    )
    return given


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
    chosen: list[str] = st.multiselect(
        "Best in",
        list(OBJECTIVES),
        default=list(FIRST_FRONT),
        key=FRONT,
        bind="query-params",
        format_func=OBJECTIVES.__getitem__,
        max_selections=MAX_OBJECTIVES,
        help="The Pareto front: networks that no other beats in all of these.",
    )
    return chosen


def _sweep_request(given: dict[str, Any]) -> SearchRequest:
    for key, name in _TEXTS.items():
        bounded_text(name, given[key])
    start = given[START].strip()
    family = start if start in FAMILIES else parse(start).family
    variables, fields = _assignments(family, given[VARY])
    found = space(
        title="design space",
        family=family if start == family else None,
        variant=None if start == family else start,
        fields=fields,
        variables=variables,
        constraints=_constraints(given),
        input_sizes=[given[SIDE]] if given[SIDE] else [],
        samples=given[DRAWN],
    )
    _refuse_unread(found, variables)
    return SearchRequest(found, _objectives(given[FRONT]), _targets(given))


def _targets(given: dict[str, Any]) -> tuple[Target, ...]:
    if not given[TARGET].strip():
        return ()
    texts = re.findall(r"(?:\[[^\]]*\]|\S)+", given[TARGET])
    return targets_of(texts, cached_analysis(given[START].strip(), given[SIDE]))


def _assignments(family: str, text: str) -> tuple[dict[str, str], dict[str, str]]:
    """(variables, fields) of the lines: a name that the family has is a field."""
    words = {*rules(FAMILIES[family].spec), *FAMILIES[family].words}
    variables: dict[str, str] = {}
    fields: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, values = (part.strip() for part in line.partition("="))
        if not equals or not values:
            raise InvalidInput(f"{shortened(line)!r} must be field = values, such as depths[2] = 2..23.")
        table = fields if name.partition("[")[0].strip() in words or "[" in name else variables
        if name in table:
            raise InvalidInput(f"{shortened(name)} is given more than once.")
        table[name] = values
    return variables, fields


def _constraints(given: dict[str, Any]) -> list[str]:
    limits = [
        f"{figure} <= {parse_count(_LIMIT_WORDS[figure], text)}"
        for figure in LIMITS
        if (text := given[limit_key(figure)])
    ]
    return [*limits, *([given[ALSO]] if given[ALSO].strip() else [])]


def _refuse_unread(found: Space, variables: dict[str, str]) -> None:
    """A mistyped field would be a variable that changes nothing."""
    read = {name.partition("[")[0] for _, each in found.derived for name in each.names}
    read |= {name.partition("[")[0] for each in found.constraints for name in each.names}
    for name in variables:
        if name not in read:
            raise InvalidInput(f"{shortened(name)!r} is no field of {found.family}, and no expression reads it.")


def _objectives(chosen: list[str]) -> tuple[tuple[str, bool], ...]:
    columns = [word.removeprefix("max:") for word in chosen]
    if not 2 <= len(set(columns)) == len(columns) <= MAX_OBJECTIVES:
        raise InvalidInput(f"best in: choose 2 to {MAX_OBJECTIVES} different figures.")
    return tuple((word.removeprefix("max:"), word.startswith("max:")) for word in chosen)
