"""The comparison as a table: for the terminal, Markdown, LaTeX and CSV."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import Report, ReportCard, Row, RunView
from oodbench.files import write_atomically
from oodbench.reports.comparison import arrow, comparison_tables

PLUGINS = {
    "reports": {
        "terminal": ("Terminal", "the table as plain text"),
        "markdown": ("Markdown", "the table in Markdown"),
        "latex": ("Latex", "the table in LaTeX, with booktabs"),
        "csv": ("Csv", "all rows with their counts and costs, one line each"),
    }
}


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
        from rich.table import Table

        buffer = io.StringIO()
        console = Console(file=buffer, width=400, color_system=None)
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
                table.add_row(*names, *cells)
            console.print(table)
            console.print(f"{comparison.title}. * best, + second.", markup=False, highlight=False)
            for note in comparison.notes:
                console.print(note, markup=False, highlight=False, soft_wrap=True)
        return "\n".join([*(line.rstrip() for line in buffer.getvalue().splitlines()), *run.notes]) + "\n"


class Markdown(TextReport):
    """The best value is bold, the second underlined."""

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
            heads = [
                *comparison.heads(),
                *(f"{benchmark} {arrow(metric)}" for benchmark, metric in comparison.columns),
            ]
            align = ["left"] * len(comparison.heads()) + ["right"] * len(comparison.columns)
            parts.append(tabulate(body, heads, "pipe", disable_numparse=True, colalign=align))
            parts.append(f"{comparison.title[0].upper()}{comparison.title[1:]}. **Best**, <u>second</u>.")
            parts.append("\n".join(f"- {note}" for note in [*comparison.interval_notes, *comparison.notes]))
        if run.notes:
            parts.append("\n".join(f"- {note}" for note in run.notes))
        return "\n\n".join(parts) + "\n"


class Latex(TextReport):
    """Needs \\usepackage{booktabs}. The best value is bold, the second underlined; intervals stand below the values."""

    card = ReportCard("latex", "Table in LaTeX", default=True, text=True)
    file = "table.tex"

    def text(self, run: RunView) -> str:
        import pandas as pd

        parts = []
        for comparison in comparison_tables(run):
            columns = pd.MultiIndex.from_tuples(
                [(_escape(benchmark), arrow(metric).replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$"))
                 for benchmark, metric in comparison.columns]
            )  # fmt: skip
            index = pd.Index([_escape(" / ".join(names)) for names in comparison.names()])
            ranks, styles = comparison.ranks(), {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}", 0: "{}"}
            cells = [
                [_stacked(styles[ranks.get((line, c), 0)].format(_percent(v, "--")), bounds[c])
                 for c, v in enumerate(values)]
                for line, (values, bounds) in enumerate(
                    zip(comparison.lines.values(), comparison.intervals.values(), strict=True)
                )
            ]  # fmt: skip
            styled = pd.DataFrame(cells, index=index, columns=columns).style
            tex = styled.to_latex(hrules=True, multicol_align="c", column_format="l" + "r" * len(columns))
            notes = [comparison.title, *comparison.interval_notes, *comparison.notes]
            parts.append("".join(f"% {note}\n" for note in notes) + tex)
        if run.notes:
            parts.append("".join(f"% {note}\n" for note in run.notes))
        return "\n".join(parts)


def _stacked(value: str, bounds: str) -> str:
    return rf"\shortstack{{{value}\\{{\tiny {bounds}}}}}" if bounds else value


class Csv(TextReport):
    """For further computation: fractions with all their digits."""

    card = ReportCard("csv", "Rows as CSV", default=True, text=True)
    file = "table.csv"

    def text(self, run: RunView) -> str:
        import pandas as pd

        rows = [
            {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
            | {"scoring": row.scoring["upsample"], "resize": row.scoring["resize"]}
            | {"protocol": row.protocol["name"], "seed": row.seed}
            | row.metrics
            | _bounds(row)
            | row.counts
            | row.cost
            for row in run.rows
        ]
        return str(pd.DataFrame(rows).to_csv(index=False))


def _bounds(row: Row) -> dict[str, object]:
    if row.intervals is None:
        return {}
    ends: dict[str, object] = {
        f"{metric}_{name}": value
        for metric, bounds in row.intervals.bounds.items()
        for name, value in zip(("low", "high"), bounds, strict=True)
    }
    made = {"interval_level": row.intervals.level, "interval_method": row.intervals.method}
    return ends | made | {"interval_unit": row.intervals.unit, "interval_resamples": row.intervals.resamples}


def _percent(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.2f}"


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)
