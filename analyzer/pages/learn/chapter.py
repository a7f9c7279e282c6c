"""What every chapter is made of: prose with computed figures, controls, tables, drawings, links and sources."""

import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import streamlit as st

from analyzer.errors import Unavailable
from analyzer.pages.explore.cached import cached_analysis, render_safely
from analyzer.pages.state.navigation import page_named
from analyzer.pages.state.style import code_span
from analyzer.pages.state.url_parameters import expect_choice, expect_number
from analyzer.render.report.html import markdown_to_html
from analyzer.text.tables import markdown_table
from analyzer.text.units import percent

_HERE = Path(__file__).parent
_THEME_COLOURS = (
    (_HERE.parent / "explore" / "viewer.css")
    .read_text(encoding="utf-8")
    .partition("/* The drawing's colours")[2]
    .partition("*/")[2]
)
"""How the viewer's style sheet turns Graphviz's colours into the theme's."""
_SVG_COMPONENT: Any = st.components.v2.component(
    "resnet_analyzer_plate",
    html='<div class="plate" role="region" tabindex="0"></div>',
    css=(_HERE / "svg_plate.css").read_text(encoding="utf-8") + _THEME_COLOURS,
    js=(_HERE / "svg_plate.js").read_text(encoding="utf-8"),
)


def show_svg(svg: str, label: str, key: str, zoom: float = 1.0) -> None:
    """Show an SVG of our own making, which has numbers and fixed words in it and nothing that a visitor typed.

    It has at most `zoom` pixels per unit.
    """
    _SVG_COMPONENT(key=key, data={"svg": svg, "label": label, "zoom": zoom})


_PAPERS = {
    "Simonyan 2015": (
        "Simonyan and Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition",
        "1409.1556",
    ),
    "Ioffe 2015": (
        "Ioffe and Szegedy 2015, Batch Normalization: Accelerating Deep Network Training by Reducing Internal "
        "Covariate Shift",
        "1502.03167",
    ),
    "He 2015": ("He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition", "1512.03385"),
    "Dumoulin 2016": ("Dumoulin and Visin 2016, A guide to convolution arithmetic for deep learning", "1603.07285"),
    "He 2016": ("He, Zhang, Ren and Sun 2016, Identity Mappings in Deep Residual Networks", "1603.05027"),
    "Zagoruyko 2016": ("Zagoruyko and Komodakis 2016, Wide Residual Networks", "1605.07146"),
    "Xie 2017": (
        "Xie, Girshick, Dollár, Tu and He 2017, Aggregated Residual Transformations for Deep Neural Networks",
        "1611.05431",
    ),
    "Goyal 2017": (
        "Goyal et al. 2017, Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
        "1706.02677",
    ),
    "Huang 2017": (
        "Huang, Liu, van der Maaten and Weinberger 2017, Densely Connected Convolutional Networks",
        "1608.06993",
    ),
    "Pleiss 2017": ("Pleiss et al. 2017, Memory-Efficient Implementation of DenseNets", "1707.06990"),
    "He 2019": (
        "He, T. et al. 2019, Bag of Tricks for Image Classification with Convolutional Neural Networks",
        "1812.01187",
    ),
}


def sources_html(*keys: str) -> str:
    """The papers as a list, each with its arXiv number as text."""
    papers = (_PAPERS[key] for key in keys)
    items = "".join(f"<li>{title}. arXiv:{number}</li>" for title, number in papers)
    return f'<section class="sources"><h2>Sources</h2><ul>{items}</ul></section>'


PROSE_WIDTH = 720
"""Longest line of running text, in pixels."""
_ZOOM = 1.15
"""Pixels per unit of Graphviz's drawings, whose text is small."""


class Chapter(NamedTuple):
    """A chapter: its title, the sentence below it, the function that shows it, and the keys of the papers it cites."""

    title: str
    lead: str
    show: Callable[[], None]
    sources: tuple[str, ...]


class PageLink(NamedTuple):
    """A link to a page: its name, the link's text, and the parameters of the address."""

    page: str
    label: str
    parameters: dict[str, Any]


class _ProseTemplate(Template):
    """Text in which `@name` stands for a computed figure, since `$` begins a formula."""

    delimiter = "@"


def fill_figures(text: str, **figures: object) -> str:
    """Prose with its figures; KeyError where one is missing."""
    return _ProseTemplate(text).substitute(figures)


def show_prose(*paragraphs: str, **figures: object) -> None:
    """Show paragraphs of prose, their `@names` filled in with computed figures."""
    st.markdown(fill_figures("\n\n".join(paragraphs), **figures), width=PROSE_WIDTH)


def show_heading(title: str) -> None:
    """Show the heading of a section."""
    st.html(f'<h2 class="section">{escape(title)}</h2>')


def show_formula(text: str) -> None:
    """Show a formula with its numbers, in a line of its own that wraps between its terms; C_in has its index below."""
    lowered = re.sub(r"_(in|out)\b", r"<sub>\1</sub>", escape(text))
    st.html(f'<p class="formula">{lowered.replace(" = ", " <b>=</b> ")}</p>')


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> None:
    """Show a table, whose cells are markdown; `align` has a letter for each column."""
    st.html(f'<div class="told">{markdown_to_html(markdown_table(headers, rows, align))}</div>')


def controls_container() -> Any:
    """A frame around a chapter's controls and what they change."""
    return st.container(border=True, gap="small")


def number_slider(
    label: str, key: str, low: int, high: int, default: int, *, step: int = 1, help_text: str = ""
) -> int:
    """Show a slider for a whole number, bound to the address."""
    expect_number(key, low, high)
    value: int = st.slider(label, low, high, default, step, key=key, bind="query-params", help=help_text or None)
    return value


def choice_slider(label: str, key: str, options: Sequence[int], default: int, *, help_text: str = "") -> int:
    """Show a slider over a few numbers, bound to the address."""
    expect_choice(key, options)
    value: int = st.select_slider(label, list(options), default, key=key, bind="query-params", help=help_text or None)
    return value


def network_selectbox(label: str, key: str, names: Sequence[str], default: str) -> str:
    """Show a choice of networks by their titles, bound to the address; the expression."""
    expect_choice(key, map(network_title, names))
    value: str = st.selectbox(
        label, names, names.index(default), key=key, bind="query-params", format_func=network_title, width=320
    )
    return value


def network_title(expression: str) -> str:
    """A network's title."""
    return cached_analysis(expression, None).network.title


def show_dot(dot: str, label: str, key: str) -> None:
    """Show a drawing by Graphviz; its DOT text where this machine has no renderer."""
    try:
        show_svg(_cached_svg(dot), label, f"plate-{key}", zoom=_ZOOM)
    except Unavailable as error:
        st.graphviz_chart(dot)
        st.caption(code_span(str(error)))


@st.cache_data(max_entries=128, show_spinner=False)
def _cached_svg(dot: str) -> str:
    """SVG, in another cache than the other pages' drawings, which are larger."""
    return render_safely(dot, "svg").decode()


def show_links(*links: PageLink) -> None:
    """Show links to other pages."""
    with st.container(horizontal=True, gap="small", key="further"):
        for page, label, parameters in links:
            st.page_link(page_named(page), label=f"{label} →", query_params=parameters)


def show_sources(sources: Sequence[str]) -> None:
    """Show the list of a chapter's papers."""
    st.html(sources_html(*sources))


def share_text(part: int, whole: int, decimals: int = 1) -> str:
    """A share in per cent: "58.6 %"."""
    return f"{percent(part, whole, decimals)} %"


def times_text(ours: int, theirs: int) -> str:
    """A ratio for prose: "5.36", "4"."""
    return f"{ours / theirs:.3g}" if theirs else "–"


def ratio_text(ours: int, theirs: int) -> str:
    """A ratio for tables, always with three digits: "5.36", "4.00"."""
    return f"{ours / theirs:#.3g}" if theirs else "–"
