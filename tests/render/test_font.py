"""The font of the drawings: its widths, the same bytes whatever fonts a machine has, and no text without a width."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import ImageFont

from analyzer.cost.analysis import analyze
from analyzer.render.diagram import font
from analyzer.render.diagram.dot import dot_source
from analyzer.render.diagram.graphviz import render, run_graphviz
from tests.conftest import loaded_pygraphviz

REPORTS = Path(__file__).parents[2] / "reports"
MACHINES = {
    "no fonts": "<dir>{empty}</dir>",
    "another font first": """<match target="pattern">
<edit name="family" mode="prepend_first" binding="strong"><string>DejaVu Sans Mono</string></edit>
</match>
<include ignore_missing="yes">fonts.conf</include>""",
    "text without shades of grey, hinted": """<include ignore_missing="yes">fonts.conf</include>
<match target="font">
<edit name="antialias" mode="assign"><bool>false</bool></edit>
<edit name="hinting" mode="assign"><bool>true</bool></edit>
<edit name="hintstyle" mode="assign"><const>hintfull</const></edit>
</match>""",
}
"""What the configuration of fontconfig may say on a machine."""

HELVETICA = {" ": 278, "0": 556, "W": 944, "i": 222, "m": 833, "%": 889, "@": 1015, "×": 584, "–": 556}
HELVETICA_BOLD = {" ": 278, "0": 556, "A": 722, "W": 944, "i": 278, "m": 889, "f": 333, "–": 556}


@pytest.mark.parametrize(("widths", "bold"), [(HELVETICA, False), (HELVETICA_BOLD, True)])
def test_characters_are_as_wide_as_helvetica(widths: dict[str, int], bold: bool) -> None:
    """Published: Adobe's font metrics of Helvetica and Helvetica-Bold (Core 14 AFM, 1997), in thousandths."""
    assert {character: round(font.text_width(character, 1000, bold) or 0) for character in widths} == widths


@pytest.mark.parametrize(("name", "bold"), [("Regular", False), ("Bold", True)])
def test_widths_are_those_that_freetype_reads(name: str, bold: bool) -> None:
    """Reference output: Pillow's FreeType, at 2048 pixels, where a pixel is a unit of the font."""
    reference = ImageFont.truetype(str(font.FOLDER / f"{name}.ttf"), 2048, layout_engine=ImageFont.Layout.BASIC)
    covered = [character for character in map(chr, range(32, 0xFFFF)) if font.text_width(character, 1, bold)]
    assert len(covered) > 700
    assert [font.text_width(each, 2048, bold) for each in covered] == [reference.getlength(each) for each in covered]


def test_a_text_with_a_character_that_the_font_lacks_has_no_width() -> None:
    assert font.text_width("残差", 10) is None
    assert font.text_width("a\N{GRINNING FACE}", 10) is None
    assert font.with_text_widths('<text font-size="9.00" fill="#000">残差</text>') == (
        '<text font-size="9.00" fill="#000">残差</text>'
    )


def test_every_text_of_the_reports_has_its_width() -> None:
    """Closed form: the characters' widths together; a text of a drawing is in the font, or this names it."""
    texts = re.findall(r"<text ([^>]*)>([^<]*)", "".join(path.read_text("utf-8") for path in REPORTS.rglob("*.svg")))
    assert len(texts) > 5000
    assert {text for attributes, text in texts if "textLength=" not in attributes} == set()


def configured(tmp_path: Path, words: str) -> dict[str, str]:
    """The environment of a machine whose fontconfig is told these words."""
    (tmp_path / "empty").mkdir()
    cache = f"<cachedir>{tmp_path / 'cache'}</cachedir>"
    configuration = f"<fontconfig>{words.format(empty=tmp_path / 'empty')}{cache}</fontconfig>"
    (tmp_path / "machine.conf").write_text(configuration, encoding="utf-8")
    return os.environ | {"FONTCONFIG_FILE": str(tmp_path / "machine.conf")}


def drawn_elsewhere(dot: str, form: str, environment: dict[str, str], blocked: str = "") -> bytes:
    """What a new process draws, without the renderer `blocked`."""
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked.split()}, None)); "
    code += "from analyzer.render.diagram.graphviz import render; "
    code += f"sys.stdout.buffer.write(render(sys.stdin.buffer.read().decode(), {form!r}))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, input=dot.encode(), capture_output=True, check=True, env=environment).stdout


@pytest.mark.parametrize("form", ["svg", "png"])
@pytest.mark.parametrize("machine", MACHINES)
def test_drawings_do_not_depend_on_the_fonts_of_the_machine(machine: str, form: str, tmp_path: Path) -> None:
    """Measured: the bytes under this machine's fonts and under others."""
    loaded_pygraphviz()
    dot = dot_source(analyze("resnet50"), "block")
    assert drawn_elsewhere(dot, form, configured(tmp_path, MACHINES[machine])) == render(dot, form)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.usefixtures("dot_program")
def test_the_dot_program_does_not_depend_on_them_either(machine: str, tmp_path: Path) -> None:
    dot = dot_source(analyze("resnet50"), "block")
    environment = configured(tmp_path, MACHINES[machine])
    assert drawn_elsewhere(dot, "svg", environment, "pygraphviz") == render(dot, "svg")


def test_drawing_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", "/nowhere/fonts & more.conf")
    before = dict(os.environ)
    run_graphviz("digraph { a }", "svg")
    with font.fontconfig_file() as path:
        told = Path(path).read_text(encoding="utf-8")
    assert '<include ignore_missing="yes">/nowhere/fonts &amp; more.conf</include>' in told
    assert dict(os.environ) == before
    assert not Path(path).exists()
