"""The table with intervals as plain text: one benchmark below the other, so that it fits a terminal."""

from __future__ import annotations

from oodbench.contracts import ReportCard, RunView
from oodbench.reports.tables.comparison import arrow, comparison_tables
from oodbench.reports.tables.formats import TextReport

PLUGINS = {"reports": {"intervals": ("Intervals", "the table with intervals as plain text, a benchmark at a time")}}


class Intervals(TextReport):
    """The best value has a star, the second a plus, as in the terminal's table."""

    card = ReportCard("intervals", "Table with intervals", text=True)
    file = "intervals.txt"

    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for table in comparison_tables(run):
            ranks, marks = table.ranks(), {1: "*", 2: "+"}
            for benchmark in dict.fromkeys(name for name, _ in table.columns):
                chosen = [c for c, (name, _) in enumerate(table.columns) if name == benchmark]
                heads = [*table.heads()]
                for c in chosen:
                    heads += [arrow(table.columns[c][1]), ""]
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
        return "\n\n".join(filter(None, [*parts, "\n".join(run.notes)])) + "\n"
