"""The tables with intervals as plain text, one benchmark below the other, so that they fit a terminal."""

from __future__ import annotations

from typing_extensions import override

from oodbench.contracts import ReportCard, RunView
from oodbench.reports.tables.formats import TableReport

PLUGINS = {"reports": {"intervals": ("IntervalTable", "results table with intervals as plain text, per benchmark")}}


class IntervalTable(TableReport):
    """The tables with intervals. A star marks the best value, a plus the second best."""

    card = ReportCard("intervals", "Table with intervals", text=True)
    file = "intervals.txt"

    @override
    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for table in self.tables(run):
            ranks, marks = table.ranks(), {1: "*", 2: "+"}
            for frames in dict.fromkeys(column.frames for column in table.columns):
                chosen = [c for c, column in enumerate(table.columns) if column.frames == frames]
                heads = [*table.heads()]
                for c in chosen:
                    heads += [table.columns[c].head, ""]
                body = []
                for index, (line, names) in enumerate(zip(table.lines, table.names(), strict=True)):
                    texts = [*names]
                    for c in chosen:
                        cell, mark = line.cells[c], marks.get(ranks.get((index, c), 0), " ")
                        texts += [f"{cell.text}{mark}" if cell.text else "-", cell.interval]
                    body.append(texts)
                align = ["left"] * len(table.heads()) + ["right", "left"] * len(chosen)
                parts.append(f"{frames}\n" + tabulate(body, heads, "simple", disable_numparse=True, colalign=align))
            parts.append("\n".join([f"{table.title}. * best, + second.", *table.interval_notes, *table.notes]))
        return "\n\n".join(filter(None, [*parts, "\n".join(run.notes)])) + "\n"
