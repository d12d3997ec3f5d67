"""Names with special characters in each output: they are shown as they are and change nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import markdown
import matplotlib as mpl
import numpy as np
import pytest
from markdown_it import MarkdownIt
from typing_extensions import override

from oodbench.registry import Registry
from oodbench.reports.figures.style import apply_rc_style
from oodbench.testing.fake_run import HandmadeRun, make_result
from oodbench.visualization.photograph import draw_photograph
from tests.helpers.hostile_names import LITERAL

REGISTRY = Registry()


def make_run() -> HandmadeRun:
    """Return a run with each name as a label, a network, a note and a dataset."""
    results = [
        make_result("msp", -0.25, 0.5, label=name, network=name, warnings=[f"a\n\x1b{name}"]) for name in LITERAL
    ]
    quality = {"miou": 0.7, "ece": None, "dataset": LITERAL[0], "split": "val", "frames": 5}
    return HandmadeRun(results, quality={LITERAL[0]: quality}, notes=LITERAL)


RUN = make_run()


def has_controls(text: str) -> bool:
    return re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text) is not None


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "csv", "json"])
def test_no_text_has_control_characters(name: str) -> None:
    assert not has_controls(REGISTRY.report(name).text(RUN))


def test_plain_text_is_literal() -> None:
    text = REGISTRY.report("terminal").text(RUN)
    assert all(name in text for name in LITERAL)


PRINTED = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", r"\textless{}": "<",
    r"\textgreater{}": ">", r"\textbar{}": "|", "{[}": "[", "{*}": "*", **{f"\\{c}": c for c in "&%$#_{}"},
}  # fmt: skip
TOKEN = re.compile("|".join([*map(re.escape, PRINTED), r"[^&%$#_{}~^\\]"]))


def read_latex(text: str) -> str:
    """Return what TeX prints for a cell, which must not have another command or a special character."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text
    return "".join(PRINTED.get(token, token) for token in tokens)


def test_latex_prints_each_name_and_runs_no_command() -> None:
    text = REGISTRY.report("latex").text(RUN)
    body = [line for line in text.splitlines() if line and not line.startswith("%")]
    commands = set(re.findall(r"\\([A-Za-z]+)", "\n".join(body)))
    assert commands <= {
        "begin", "end", "toprule", "midrule", "bottomrule", "multicolumn", "uparrow", "downarrow", "textbf",
        "underline", "shortstack", "tiny", "textbackslash", "textasciitilde", "textasciicircum", "textless",
        "textgreater", "textbar",
    }  # fmt: skip
    lines = body[body.index(r"\midrule") + 1 : body.index(r"\bottomrule")]
    cells = [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines]
    assert len({len(line) for line in cells}) == 1
    assert [(read_latex(line[0]), read_latex(line[1])) for line in cells] == [(name, name) for name in LITERAL]
    assert not any(line.startswith(("[", "*")) for line in lines)


class Page(HTMLParser):
    """The elements of a page, the text of each cell and item, and the attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: dict[str, list[str]] = {}
        self.attributes: set[str] = set()
        self._open: list[str] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag in ("td", "th", "li", "script"):
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    @override
    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open[-1]][-1] += data


@pytest.mark.parametrize(
    "render",
    [lambda text: markdown.markdown(text, extensions=["tables"]), MarkdownIt("commonmark").enable("table").render],
    ids=["Markdown", "CommonMark"],
)
def test_markdown_shows_each_name_and_has_no_other_element(render: Callable[[str], str]) -> None:
    page = Page(render(REGISTRY.report("markdown").text(RUN)))
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "strong", "u", "p", "ul", "li", "em"}
    assert "em" not in page.tags
    assert page.attributes <= {"style"}
    width = len(page.texts["th"])
    assert len(page.texts["td"]) == width * len(LITERAL)
    assert page.texts["td"][0::width] == page.texts["td"][1::width] == list(LITERAL)
    assert [text.strip() for text in page.texts["li"]][-len(LITERAL) :] == list(LITERAL)


def test_csv_has_no_formula_and_unchanged_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(REGISTRY.report("csv").text(RUN))))
    assert [row["label"].removeprefix("'") for row in rows] == [name.removeprefix("'") for name in LITERAL]
    assert [row["AP"] for row in rows] == ["-0.25"] * len(LITERAL)
    for row in rows:
        texts = (cell for name, cell in row.items() if name != "AP")
        assert not any(text.startswith(("=", "+", "-", "@")) for text in texts)


def test_json_has_each_name() -> None:
    content = json.loads(REGISTRY.report("json").text(RUN))
    assert [row["network"] for row in content["rows"]] == list(LITERAL)


def test_the_page_has_the_scripts_of_the_report_only(tmp_path: Path) -> None:
    def write(run: HandmadeRun, out: Path) -> str:
        (path,) = REGISTRY.report("html").write(run, out)
        return path.read_text(encoding="utf-8")

    plain = Page(write(HandmadeRun([make_result("msp", 0.5, 0.5)]), tmp_path / "plain"))
    hostile = HandmadeRun([make_result("msp", 0.5, 0.5, label=name, network="</script><!--") for name in LITERAL[::3]])
    page = Page(write(hostile, tmp_path / "hostile"))
    assert len(page.texts["script"]) == len(plain.texts["script"])
    assert page.attributes - plain.attributes <= {"data-anchor", "colspan", "rowspan", "href", "checked"}
    assert LITERAL[3] in page.texts["script"][0]


def svg_texts(content: str) -> Iterator[str]:
    """Yield the text of each text element of a picture."""
    for element in ElementTree.fromstring(content).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314  # our own
        yield "".join(element.itertext())


@pytest.fixture
def svg() -> Iterator[Any]:
    with mpl.rc_context({"svg.fonttype": "none"}):

        def render(figure: Any) -> set[str]:
            file = io.StringIO()
            figure.savefig(file, format="svg")
            return set(svg_texts(file.getvalue()))

        yield render


@pytest.mark.parametrize("name", ["$x$", "net$_$b", "$\\frac$", "\\write18{ls}", "<b>&", "100 % ^_{", "x" * 200])
def test_the_picture_of_a_photograph_shows_the_names(svg: Any, name: str) -> None:
    image, score = np.zeros((8, 16, 3), np.uint8), np.linspace(0, 1, 128, dtype=np.float32).reshape(8, 16)
    texts = svg(draw_photograph(image, score, None, None, name, name))
    assert name in texts


@pytest.mark.parametrize("figure", ["precision-recall", "score-histograms", "accuracy-cost"])
def test_figures_show_the_names(svg: Any, figure: str) -> None:
    names = ["$x$", "net$_$b", "$\\frac$", "\\write18{ls}", "<b>&"]
    report: Any = REGISTRY.report(figure)
    rows = [make_result("msp", 0.5, 0.5, label=name) for name in names]
    with apply_rc_style():
        mpl.rcParams["svg.fonttype"] = "none"
        texts = svg(report.draw(HandmadeRun(rows), "road-anomaly", rows))
    assert all(any(name in text for text in texts) for name in names), texts
