"""A family's fields as widgets, made from their rules, and as TOML; each change writes the variant expression.

They are there only while the form is open, since each widget takes its share of every answer.
"""

from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.fields import Choice, Config, Flag, Int, IntList, OneOf, Ratio, Rule
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Spec, rules
from analyzer.families.toml_file import read_spec, toml_text
from analyzer.pages.kept import MAX_CHARS, changed, show_value
from analyzer.pages.look import show_problem

EXPRESSION = "variant"
FORM = "customise"
_FOLLOWED = "followed"
_DRAFT = "draft"
_TOML = "toml"
_WRONG = "wrong_toml"
_COLUMNS = 4


def follow(spec: Spec) -> None:
    """Make the form show a spec; where the expression is wrong this is not called, and it keeps what was typed."""
    st.session_state[_FOLLOWED] = st.session_state[EXPRESSION], spec
    st.session_state[_DRAFT] = spec.family, {name: rule.text(value) for name, rule, value in _stated(spec)}


def _stated(spec: Spec) -> list[tuple[str, Rule, object]]:
    defaults = type(spec).__dataclass_fields__
    values = ((name, rule, getattr(spec, name)) for name, rule in rules(type(spec)).items())
    return [item for item in values if item[2] != defaults[item[0]].default]


def _key(family: str, name: str) -> str:
    return f"field-{family}-{name}"


def _shown(rule: Rule, value: Any) -> object:
    return rule.text(value) if isinstance(rule, IntList | Config | OneOf | Ratio) else value


def show_form() -> None:
    """The fields of the expression's family, folded away; idle before a first valid expression."""
    idle = _DRAFT not in st.session_state
    form = st.popover("Customise", disabled=idle, width="stretch", key=FORM, on_change="rerun")
    with form:
        if form.open and not idle:
            _show_widgets()
        else:
            st.caption("The fields are being laid out.")


def _show_widgets() -> None:
    expression, spec = st.session_state[_FOLLOWED]
    _fill(spec, follows=expression == st.session_state[EXPRESSION])
    fields, toml = st.tabs(["Fields", "TOML"])
    with fields:
        _show_fields(spec.family)
    with toml:
        _show_toml()


def _fill(spec: Spec, follows: bool) -> None:
    """Give the widgets the spec's values; while the expression is wrong only those that are new, as drafted."""
    _, draft = st.session_state[_DRAFT]
    effective = spec.resolved()
    for name, rule in rules(type(spec)).items():
        key = _key(spec.family, name)
        if follows:
            show_value(key, _shown(rule, effective[name]))
        elif key not in st.session_state:
            show_value(key, _drafted(rule, draft[name]) if name in draft else _shown(rule, effective[name]))
    if not _problem():
        show_value(_TOML, toml_text(spec))
    elif _TOML not in st.session_state:
        *_, typed = st.session_state[_WRONG]
        show_value(_TOML, typed)


def _drafted(rule: Rule, text: str) -> object:
    try:
        return _shown(rule, rule.parse(text))
    except InvalidInput:
        return text  # a text box shows whatever was typed, and only there can it be wrong


def _show_fields(family: str) -> None:
    fields = list(rules(FAMILIES[family].spec).items())
    for start in range(0, len(fields), _COLUMNS):
        row = fields[start : start + _COLUMNS]
        for column, (name, rule) in zip(st.columns(_COLUMNS, vertical_alignment="bottom"), row, strict=False):
            with column:
                _widget(family, name, rule)


def _show_toml() -> None:
    st.text_area(
        "The network as a TOML file",
        key=_TOML,
        height=420,
        max_chars=MAX_CHARS,
        on_change=_take_toml,
        help="Change it, or paste one of your own; Ctrl+Enter takes it. The command line reads the same file.",
    )
    if problem := _problem():
        show_problem(problem)


def _problem() -> str:
    """What is wrong with the TOML text as it stands, if it was typed since the expression last changed."""
    expression, sentence, _ = st.session_state.get(_WRONG, ("", "", ""))
    return str(sentence) if expression == st.session_state.get(EXPRESSION) else ""


def _take_toml() -> None:
    if not changed(_TOML):
        return
    try:
        st.session_state[EXPRESSION] = canonical(read_spec(st.session_state[_TOML]))
        st.session_state.pop(_WRONG, None)
    except InvalidInput as error:
        st.session_state[_WRONG] = st.session_state[EXPRESSION], str(error), st.session_state[_TOML]


def _widget(family: str, name: str, rule: Rule) -> None:
    common: dict[str, Any] = {
        "label": name.replace("_", " "),
        "key": _key(family, name),
        "help": f"{rule.help} ({rule.rule()})",
        "on_change": _write,
        "args": (family, name),
    }
    match rule:
        case Int():
            st.number_input(
                min_value=rule.low, max_value=rule.high, step=1, value=None, placeholder=rule.word, **common
            )
        case Choice():
            st.selectbox(options=rule.options, **common)
        case OneOf():
            st.selectbox(options=["none", *map(str, rule.options)], **common)
        case Flag():
            st.checkbox(**common)
        case IntList() | Config() | Ratio():
            st.text_input(max_chars=MAX_CHARS, **common)


def _write(family: str, name: str) -> None:
    """Put the changed field into the expression: canonical where it is a network, as it stands where it is not."""
    key = _key(family, name)
    if not changed(key):
        return
    _, draft = st.session_state[_DRAFT]
    value = st.session_state[key]
    text = _typed(rules(FAMILIES[family].spec)[name], value)
    kept = {**draft, name: text} if text else {field: given for field, given in draft.items() if field != name}
    st.session_state[_DRAFT] = family, kept
    st.session_state[EXPRESSION] = _tidied(f"{family}:{','.join(f'{field}={given}' for field, given in kept.items())}")


def _tidied(expression: str) -> str:
    try:
        return canonical(parse(expression))
    except InvalidInput:
        return expression  # the page shows it with the reason


def _typed(rule: Rule, value: Any) -> str:
    if value is None:
        return rule.word if isinstance(rule, Int) and rule.optional else ""
    return str(value).strip() if isinstance(value, str) else rule.text(value)
