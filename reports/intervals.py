"""The table with intervals as plain text: one benchmark below the other, so that it fits a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import HIGHER_IS_BETTER, Report, ReportCard, RunView
from oodbench.files import write_atomically
from oodbench.reports.tables import comparison_tables

PLUGINS = {"reports": {"intervals": ("Intervals", "the table with intervals as plain text, a benchmark at a time")}}


class Intervals(Report):
    """The best value has a star, the second a plus, as in the terminal's table."""

    card = ReportCard("intervals", "Table with intervals", text=True)

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        path = out / "intervals.txt"
        text = self.text(run)
        write_atomically(path, lambda file: file.write(text.encode()))
        return [path]

    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for table in comparison_tables(run):
            ranks, marks = table.ranks(), {1: "*", 2: "+"}
            for benchmark in dict.fromkeys(name for name, _ in table.columns):
                chosen = [c for c, (name, _) in enumerate(table.columns) if name == benchmark]
                heads = [*table.heads()]
                for c in chosen:
                    metric = table.columns[c][1]
                    heads += [f"{metric} {'↑' if HIGHER_IS_BETTER.get(metric, False) else '↓'}", ""]
                body = []
                for line, (who, names) in enumerate(zip(table.lines, table.names(), strict=True)):
                    cells = [*names]
                    for c in chosen:
                        value = table.lines[who][c]
                        mark = marks.get(ranks.get((line, c), 0), " ")
                        cells += ["-" if value is None else f"{value:.2f}{mark}", table.intervals[who][c]]
                    body.append(cells)
                align = ["left"] * len(table.heads()) + ["right", "left"] * len(chosen)
                parts.append(f"{benchmark}\n" + tabulate(body, heads, "simple", disable_numparse=True, colalign=align))
            parts.append("\n".join([f"{table.title}. * best, + second.", *table.interval_notes, *table.notes]))
        return "\n\n".join(parts) + "\n"
