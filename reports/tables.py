"""The comparison as a table: for the terminal, Markdown, LaTeX and CSV.

Rows that differ in scoring or protocol don't stand in one table: each combination gets one of its own.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oodbench.contracts import HIGHER_IS_BETTER, Report, ReportCard, Row, RunView
from oodbench.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

PLUGINS = {
    "reports": {
        "terminal": ("Terminal", "the table as plain text"),
        "markdown": ("Markdown", "the table in Markdown"),
        "latex": ("Latex", "the table in LaTeX, with booktabs"),
        "csv": ("Csv", "all rows with their counts and costs, one line each"),
    }
}

_SCORED = {
    "logits": "class maps brought to the label's resolution and scored there, features scored on their grid",
    "score": "scored on the network's grid, scores brought to the label's resolution",
    "given": "scores as given, smaller ones brought to the label's resolution",
}
"""Scoring's `upsample` in words."""


@dataclass(frozen=True)
class ComparisonTable:
    """One table: a line a method and network, a column a benchmark and metric.

    Attributes:
        title: scoring and protocol.
        columns: (benchmark, metric) in order.
        lines: (method, network) -> percentages, None where there is no row or the metric is undefined.
        notes: what a reader has to know.
    """

    title: str
    columns: list[tuple[str, str]]
    lines: dict[tuple[str, str], list[float | None]]
    notes: list[str]

    def ranks(self) -> dict[tuple[int, int], int]:
        """(line, column) -> 1 for the best and 2 for the second value of the column, as printed; ties share a rank."""
        found: dict[tuple[int, int], int] = {}
        for column, (_, metric) in enumerate(self.columns):
            values = {line: f"{v[column]:.2f}" for line, v in enumerate(self.lines.values()) if v[column] is not None}
            distinct = sorted(set(values.values()), key=float, reverse=HIGHER_IS_BETTER.get(metric, False))
            if len(values) > 1:
                found |= {(line, column): rank for rank, text in enumerate(distinct[:2], 1)
                          for line, value in values.items() if value == text}  # fmt: skip
        return found

    @property
    def names_networks(self) -> bool:
        return len({network for _, network in self.lines}) > 1

    def heads(self) -> list[str]:
        return ["Method", *(["Network"] if self.names_networks else [])]

    def names(self) -> list[list[str]]:
        return [[method, *([network] if self.names_networks else [])] for method, network in self.lines]


def comparison_tables(run: RunView) -> list[ComparisonTable]:
    """One table for each combination of scoring and protocol among the rows."""
    groups: dict[str, list[Row]] = {}
    for row in run.rows:
        title = _SCORED[row.scoring["upsample"]]
        if row.scoring["resize"] == "bilinear-aligned":
            title += ", corner pixels aligned"
        groups.setdefault(f"{title}; protocol {row.protocol['name']}; percent", []).append(row)
    return [_table(title, rows) for title, rows in groups.items()]


def _table(title: str, rows: Sequence[Row]) -> ComparisonTable:
    columns = list(dict.fromkeys((row.benchmark, metric) for row in rows for metric in row.metrics))
    lines: dict[tuple[str, str], list[float | None]] = {}
    for row in rows:
        line = lines.setdefault((row.label, row.network), [None] * len(columns))
        for metric, value in row.metrics.items():
            line[columns.index((row.benchmark, metric))] = None if value is None else 100 * value
    frames = {row.benchmark: row.counts["frames"] for row in rows}
    counted = "Frames: " + ", ".join(f"{benchmark} {count}" for benchmark, count in frames.items()) + "."
    warnings = dict.fromkeys(warning for row in rows for warning in row.warnings)
    undefined = dict.fromkeys(
        f"{row.benchmark}: {metric} is undefined: {reason}" for row in rows for metric, reason in row.undefined.items()
    )
    return ComparisonTable(title, columns, lines, [counted, *warnings, *undefined])


def _arrow(metric: str) -> str:
    return f"{metric} {'↑' if HIGHER_IS_BETTER.get(metric, False) else '↓'}"


class _TextTable(Report):
    """A table in one text file."""

    ending: str

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        path = out / f"table.{self.ending}"
        text = self.text(run)
        write_atomically(path, lambda file: file.write(text.encode()))
        return [path]


class Terminal(_TextTable):
    """Plain text, as wide as it needs to be; the best value has a star, the second a plus."""

    card = ReportCard("terminal", "Table as plain text", default=True, text=True)
    ending = "txt"

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
            for benchmark, metric in comparison.columns:
                table.add_column(f"{benchmark if metric == 'AP' else ''}\n{_arrow(metric)}", justify="right")
            marks = {1: "*", 2: "+"}
            for line, (names, values) in enumerate(zip(comparison.names(), comparison.lines.values(), strict=True)):
                cells = [_percent(v) + marks.get(ranks.get((line, c), 0), " ") for c, v in enumerate(values)]
                table.add_row(*names, *cells)
            console.print(table)
            console.print(f"{comparison.title}. * best, + second.", markup=False, highlight=False)
            for note in comparison.notes:
                console.print(note, markup=False, highlight=False, soft_wrap=True)
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


class Markdown(_TextTable):
    """The best value is bold, the second underlined."""

    card = ReportCard("markdown", "Table in Markdown", default=True, text=True)
    ending = "md"

    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for comparison in comparison_tables(run):
            ranks = comparison.ranks()
            marks = {1: "**{}**", 2: "<u>{}</u>", 0: "{}"}
            body = [
                [*names, *(marks[ranks.get((line, c), 0)].format(_percent(v)) for c, v in enumerate(values))]
                for line, (names, values) in enumerate(zip(comparison.names(), comparison.lines.values(), strict=True))
            ]
            heads = [
                *comparison.heads(),
                *(f"{benchmark} {_arrow(metric)}" for benchmark, metric in comparison.columns),
            ]
            align = ["left"] * len(comparison.heads()) + ["right"] * len(comparison.columns)
            parts.append(tabulate(body, heads, "pipe", disable_numparse=True, colalign=align))
            parts.append(f"{comparison.title[0].upper()}{comparison.title[1:]}. **Best**, <u>second</u>.")
            parts.append("\n".join(f"- {note}" for note in comparison.notes))
        return "\n\n".join(parts) + "\n"


class Latex(_TextTable):
    """Needs \\usepackage{booktabs}. The best value is bold, the second underlined."""

    card = ReportCard("latex", "Table in LaTeX", default=True, text=True)
    ending = "tex"

    def text(self, run: RunView) -> str:
        import pandas as pd

        parts = []
        for comparison in comparison_tables(run):
            arrows = {"AP": r"AP $\uparrow$", "AUROC": r"AUROC $\uparrow$"}
            columns = pd.MultiIndex.from_tuples(
                [(_escape(benchmark), arrows.get(metric, rf"{metric} $\downarrow$"))
                 for benchmark, metric in comparison.columns]
            )  # fmt: skip
            index = pd.Index([_escape(" / ".join(names)) for names in comparison.names()])
            cells = [[_percent(value, "--") for value in values] for values in comparison.lines.values()]
            frame = pd.DataFrame(cells, index=index, columns=columns)
            ranks, styles = comparison.ranks(), {1: "textbf:--rwrap;", 2: "underline:--rwrap;"}
            marks = pd.DataFrame("", index=index, columns=columns)
            for (line, column), rank in ranks.items():
                marks.iloc[line, column] = styles[rank]
            styled = frame.style.apply(_constant(marks), axis=None)
            tex = styled.to_latex(hrules=True, multicol_align="c", column_format="l" + "r" * len(columns))
            notes = [comparison.title, *comparison.notes]
            parts.append("".join(f"% {note}\n" for note in notes) + tex)
        return "\n".join(parts)


def _constant(marks: pd.DataFrame):  # type: ignore[no-untyped-def]  # pandas' own stubs want a looser type
    return lambda frame: marks


class Csv(_TextTable):
    """For further computation: fractions with all their digits."""

    card = ReportCard("csv", "Rows as CSV", default=True, text=True)
    ending = "csv"

    def text(self, run: RunView) -> str:
        import pandas as pd

        rows = [
            {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
            | {"scoring": row.scoring["upsample"], "resize": row.scoring["resize"]}
            | {"protocol": row.protocol["name"], "seed": row.seed}
            | row.metrics
            | row.counts
            | row.cost
            for row in run.rows
        ]
        return str(pd.DataFrame(rows).to_csv(index=False))


def _percent(value: float | None, missing: str = "-") -> str:
    return missing if value is None else f"{value:.2f}"


def _escape(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, "\\" + c if c in "&%$#_{}" else c) for c in text)
