"""A family's fields as widgets, made from their rules, and as TOML; each change writes the variant expression.

They are there only while the form is open, since each widget takes its share of every answer.
"""

from typing import Any

import streamlit as st

from analyzer.errors import InvalidInput
from analyzer.families.expression import canonical, parse
from analyzer.families.registry import FAMILIES
from analyzer.families.spec import Choice, Flag, Int, IntList, LayerList, OneOf, Ratio, Rule, Spec, rules
from analyzer.families.toml_file import read_spec, toml_text
from analyzer.pages.state.server_values import (
    MAX_WIDGET_CHARS,
    drop_synced_widgets,
    is_current_widget,
    server_value,
    set_server_value,
    synced_widget_key,
    synced_widget_value,
)
from analyzer.pages.state.style import show_errors

EXPRESSION_KEY = "variant"
DEFAULT_EXPRESSION = "resnet50"
FORM_KEY = "customise"
_SYNCED_SPEC_KEY = "followed"
_DRAFT_KEY = "draft"
_TOML_KEY = "toml"
_INVALID_TOML_KEY = "wrong_toml"
_COLUMNS = 4


def _current_expression() -> str:
    return server_value(EXPRESSION_KEY, DEFAULT_EXPRESSION)


def show_spec_in_form(spec: Spec) -> None:
    """Make the form show a spec; not called where the expression is wrong, so that the form keeps what was typed."""
    st.session_state[_SYNCED_SPEC_KEY] = _current_expression(), spec
    st.session_state[_DRAFT_KEY] = (
        spec.family,
        {name: rule.text(value) for name, rule, value in _non_default_fields(spec)},
    )


def _non_default_fields(spec: Spec) -> list[tuple[str, Rule, object]]:
    defaults = type(spec).__dataclass_fields__
    values = ((name, rule, getattr(spec, name)) for name, rule in rules(type(spec)).items())
    return [item for item in values if item[2] != defaults[item[0]].default]


def _field_key(family: str, field: str) -> str:
    return f"field-{family}-{field}"


def _drop_field_widgets(*families: str) -> None:
    drop_synced_widgets(*(_field_key(family, field) for family in families for field in rules(FAMILIES[family].spec)))


def _widget_value(rule: Rule, value: Any) -> object:
    return rule.text(value) if isinstance(rule, IntList | LayerList | OneOf | Ratio) else value


def show_form() -> None:
    """Show the fields of the expression's family, folded away; disabled before a first valid expression."""
    disabled = _DRAFT_KEY not in st.session_state
    form = st.popover("Customise", disabled=disabled, width="stretch", key=FORM_KEY, on_change="rerun")
    with form:
        if form.open and not disabled:
            _show_widgets()
        else:
            drop_synced_widgets(_TOML_KEY)
            _drop_field_widgets(*FAMILIES)
            st.caption("The fields are being laid out.")


def _show_widgets() -> None:
    expression, spec = st.session_state[_SYNCED_SPEC_KEY]
    _drop_field_widgets(*(FAMILIES.keys() - {spec.family}))
    fields, toml = st.tabs(["Fields", "TOML"])
    with fields:
        _show_fields(spec, follows=expression == _current_expression())
    with toml:
        _show_toml(spec)


def _draft_value(rule: Rule, text: str) -> object:
    try:
        return _widget_value(rule, rule.parse(text))
    except InvalidInput:
        return text  # a text box shows whatever was typed, and only there can it be wrong


def _show_fields(spec: Spec, follows: bool) -> None:
    """Show the widgets with the spec's values; while the expression is wrong, with what was typed into them."""
    _, draft = st.session_state[_DRAFT_KEY]
    effective = spec.effective_fields()
    fields = list(rules(type(spec)).items())
    for start in range(0, len(fields), _COLUMNS):
        row = fields[start : start + _COLUMNS]
        for column, (field, rule) in zip(st.columns(_COLUMNS, vertical_alignment="bottom"), row, strict=False):
            value = _widget_value(rule, effective[field])
            if not follows:
                drafted = _draft_value(rule, draft[field]) if field in draft else value
                value = synced_widget_value(_field_key(spec.family, field), drafted)
            with column:
                _show_field(spec.family, field, rule, value)


def _show_toml(spec: Spec) -> None:
    problem = _toml_problem()
    text = synced_widget_value(_TOML_KEY, st.session_state[_INVALID_TOML_KEY][-1]) if problem else toml_text(spec)
    area = synced_widget_key(_TOML_KEY, text)
    st.text_area(
        "The network as a TOML file",
        text,
        key=area,
        height=420,
        max_chars=MAX_WIDGET_CHARS,
        on_change=_on_toml_change,
        args=(area,),
        help="Change it, or paste one of your own; Ctrl+Enter takes it. The command line reads the same file.",
    )
    if problem:
        show_errors(problem)


def _toml_problem() -> str:
    """What is wrong with the TOML text as it stands, if it was typed since the expression last changed."""
    expression, sentence, _ = st.session_state.get(_INVALID_TOML_KEY, ("", "", ""))
    return str(sentence) if expression == _current_expression() else ""


def _on_toml_change(area: str) -> None:
    if not is_current_widget(area):
        return
    text = st.session_state[area]
    try:
        set_server_value(EXPRESSION_KEY, canonical(read_spec(text)))
        st.session_state.pop(_INVALID_TOML_KEY, None)
    except InvalidInput as error:
        st.session_state[_INVALID_TOML_KEY] = _current_expression(), str(error), text


def _show_field(family: str, field: str, rule: Rule, value: Any) -> None:
    key = synced_widget_key(_field_key(family, field), value)
    arguments: dict[str, Any] = {
        "label": field.replace("_", " "),
        "key": key,
        "help": f"{rule.help} ({rule.rule()})",
        "on_change": _on_field_change,
        "args": (family, field, key),
    }
    match rule:
        case Int():
            st.session_state[key] = value  # only a box made without a value can be emptied
            st.number_input(
                min_value=rule.low, max_value=rule.high, step=1, value=None, placeholder=rule.word, **arguments
            )
        case Choice():
            _selectbox(list(rule.options), value, arguments)
        case OneOf():
            _selectbox(["none", *map(str, rule.options)], value, arguments)
        case Flag():
            st.checkbox(value=value, **arguments)
        case IntList() | LayerList() | Ratio():
            st.text_input(value=value, max_chars=MAX_WIDGET_CHARS, **arguments)


def _selectbox(options: list[str], value: str, arguments: dict[str, Any]) -> None:
    st.selectbox(options=options, index=options.index(value), **arguments)


def _on_field_change(family: str, field: str, key: str) -> None:
    """Put the changed field into the expression: canonical where it is a network, as it stands where it is not."""
    if not is_current_widget(key):
        return
    _, draft = st.session_state[_DRAFT_KEY]
    value = _typed_text(rules(FAMILIES[family].spec)[field], st.session_state[key])
    fields = {name: text for name, text in {**draft, field: value}.items() if text or name != field}
    st.session_state[_DRAFT_KEY] = family, fields
    expression = f"{family}:{','.join(f'{name}={text}' for name, text in fields.items())}"
    set_server_value(EXPRESSION_KEY, _canonical_if_valid(expression))


def _canonical_if_valid(expression: str) -> str:
    try:
        return canonical(parse(expression))
    except InvalidInput:
        return expression  # the page shows it with the reason


def _typed_text(rule: Rule, value: Any) -> str:
    if value is None:
        return rule.word if isinstance(rule, Int) and rule.optional else ""
    return str(value).strip() if isinstance(value, str) else rule.text(value)
