"""The comparison as a table: for the terminal, in Markdown and LaTeX."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import Report, ReportCard, RunView
from oodbench.files import write_atomically
from oodbench.reports.tables.comparison import ComparisonTable, arrow, comparison_tables
from oodbench.reports.tables.published import UNCONFIRMED

PLUGINS = {
    "reports": {
        "terminal": ("Terminal", "the table as plain text"),
        "markdown": ("Markdown", "the table in Markdown"),
        "latex": ("Latex", "the table in LaTeX, with booktabs"),
    }
}

# Letters: nothing is ever cut to fit it.
_WIDEST = 4000


class TextReport(Report):
    """A report in one text file, named `file`."""

    file: str

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        path = out / self.file
        text = self.text(run)
        write_atomically(path, lambda file: file.write(text.encode()))
        return [path]


class Terminal(TextReport):
    """Plain text, as wide as it needs to be; the best value has a star, the second a plus."""

    card = ReportCard("terminal", "Table as plain text", default=True, text=True)
    file = "table.txt"

    def text(self, run: RunView) -> str:
        from rich import box
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        buffer = io.StringIO()
        console = Console(file=buffer, width=_WIDEST, color_system=None)
        for comparison in comparison_tables(run):
            ranks = comparison.ranks()
            table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
            for head in comparison.heads():
                table.add_column(head, no_wrap=True, vertical="bottom")
            shown = ""
            for benchmark, metric in comparison.columns:
                table.add_column(f"{benchmark if benchmark != shown else ''}\n{arrow(metric)}", justify="right")
                shown = benchmark
            marks = {1: "*", 2: "+"}
            for line, (names, values) in enumerate(zip(comparison.names(), comparison.lines.values(), strict=True)):
                cells = [_percent(v) + marks.get(ranks.get((line, c), 0), " ") for c, v in enumerate(values)]
                table.add_row(*map(escape, names), *cells)
            table.add_section()
            for names, published in zip(comparison.published_names(), comparison.published, strict=True):
                # Where a mark may stand behind a measured number, one says whether a published one is confirmed.
                cells = [cell if cell.endswith(UNCONFIRMED) else f"{cell or '-'} " for cell in published.cells]
                table.add_row(*map(escape, names), *cells)
            console.print(table)
            said = ". * best, + second." if comparison.lines else "."
            console.print(f"{comparison.title}{said}", markup=False, highlight=False)
            for note in comparison.notes:
                console.print(note, markup=False, highlight=False, soft_wrap=True)
        return "\n".join([*(line.rstrip() for line in buffer.getvalue().splitlines()), *run.notes]) + "\n"


class Markdown(TextReport):
    """The best value is bold, the second underlined; what others published is in italics."""

    card = ReportCard("markdown", "Table in Markdown", default=True, text=True)
    file = "table.md"

    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for comparison in comparison_tables(run):
            ranks = comparison.ranks()
            marks = {1: "**{}**", 2: "<u>{}</u>", 0: "{}"}
            body = [
                [*names, *(f"{marks[ranks.get((line, c), 0)].format(_percent(v))} {bounds[c]}".rstrip()
                           for c, v in enumerate(values))]
                for line, (names, values, bounds) in enumerate(
                    zip(comparison.names(), comparison.lines.values(), comparison.intervals.values(), strict=True)
                )
            ]  # fmt: skip
            body += [
                [f"*{name}*", *rest, *(f"*{cell}*" if cell else "-" for cell in published.cells)]
                for (name, *rest), published in zip(comparison.published_names(), comparison.published, strict=True)
            ]
            heads = [
                *comparison.heads(),
                *(f"{benchmark} {arrow(metric)}" for benchmark, metric in comparison.columns),
            ]
            align = ["left"] * len(comparison.heads()) + ["right"] * len(comparison.columns)
            parts.append(tabulate(body, heads, "pipe", disable_numparse=True, colalign=align))
            marked = ["**Best**, <u>second</u>"] if comparison.lines else []
            marked += ["*published*"] if comparison.published else []
            parts.append(f"{comparison.title[0].upper()}{comparison.title[1:]}. {', '.join(marked)}.")
            parts.append("\n".join(f"- {note}" for note in [*comparison.interval_notes, *comparison.notes]))
        if run.notes:
            parts.append("\n".join(f"- {note}" for note in run.notes))
        return "\n\n".join(parts) + "\n"


class Latex(TextReport):
    """Needs \\usepackage{booktabs}. The best value is bold, the second underlined; intervals stand below the values.

    What others published stands below a rule, in italics.
    """

    card = ReportCard("latex", "Table in LaTeX", default=True, text=True)
    file = "table.tex"

    def text(self, run: RunView) -> str:
        parts = []
        for comparison in comparison_tables(run):
            notes = [comparison.title, *comparison.interval_notes, *comparison.notes]
            parts.append("".join(f"% {note}\n" for note in notes) + _tabular(comparison))
        if run.notes:
            parts.append("".join(f"% {note}\n" for note in run.notes))
        return "\n".join(parts)


def _tabular(comparison: ComparisonTable) -> str:
    import pandas as pd

    heads, names = comparison.heads(), [*comparison.names(), *comparison.published_names()]
    columns = [("", _escape(head)) for head in heads]
    columns += [(_escape(benchmark), _escape(arrow(metric))) for benchmark, metric in comparison.columns]
    ranks, styles = comparison.ranks(), {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}", 0: "{}"}
    cells = [
        [_stacked(styles[ranks.get((line, c), 0)].format(_percent(v, "--")), bounds[c]) for c, v in enumerate(values)]
        for line, (values, bounds) in enumerate(
            zip(comparison.lines.values(), comparison.intervals.values(), strict=True)
        )
    ]
    measured = len(cells)
    cells += [[rf"\textit{{{cell}}}" if cell else "--" for cell in line.cells] for line in comparison.published]
    body = [[*map(_escape, name), *line] for name, line in zip(names, cells, strict=True)]
    styled = pd.DataFrame(body, columns=pd.MultiIndex.from_tuples(columns)).style.hide(axis="index")
    layout = "l" * len(heads) + "r" * len(comparison.columns)
    lines = styled.to_latex(hrules=True, multicol_align="c", column_format=layout).splitlines()
    if 0 < measured < len(cells):
        lines.insert(lines.index(r"\midrule") + 1 + measured, r"\midrule")
    return "\n".join(lines) + "\n"


def _stacked(value: str, bounds: str) -> str:
    return rf"\shortstack{{{value}\\{{\tiny {bounds}}}}}" if bounds else value


def _percent(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.2f}"


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    # TeX's own fonts have other signs in these places.
    special |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"}
    special |= {"↑": r"$\uparrow$", "↓": r"$\downarrow$"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)
