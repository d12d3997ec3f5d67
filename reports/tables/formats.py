"""The results tables in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import MetricGroup, Report, ReportCard, RunView
from oodbench.files import write_atomically
from oodbench.reports.tables.build import results_tables
from oodbench.reports.tables.markup import escape_latex, escape_markdown, make_markdown_list, to_line
from oodbench.reports.tables.model import ResultsTable

PLUGINS = {
    "reports": {
        "markdown": ("Markdown", "results table in Markdown"),
        "latex": ("Latex", "results table in LaTeX, with booktabs"),
    }
}


class TextReport(Report):
    """A report in one text file, whose name is `file`."""

    file: str

    @override
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        path = out / self.file
        text = self.text(run)
        write_atomically(path, lambda file: file.write(text.encode()))
        return [path]


class TableReport(TextReport):
    """The results tables with the columns of some groups of metrics.

    Args:
        groups: The groups of metrics that are shown.
    """

    def __init__(self, groups: Collection[MetricGroup] = ("closed-set", "anomaly")) -> None:
        self.groups = groups

    def tables(self, run: RunView) -> list[ResultsTable]:
        """Return the tables of a run with the columns that are shown."""
        return [table.select(self.groups) for table in results_tables(run)]


class Markdown(TableReport):
    """The tables in Markdown. The best value is bold, the second best underlined; published numbers are in italics."""

    card = ReportCard("markdown", "Table in Markdown", default=True, text=True)
    file = "table.md"

    @override
    def text(self, run: RunView) -> str:
        from tabulate import tabulate

        parts = []
        for results in self.tables(run):
            ranks = results.ranks()
            marks = {1: "**{}**", 2: "<u>{}</u>", 0: "{}"}
            body = [
                [*names, *(f"{marks[ranks.get((index, c), 0)].format(cell.text or '-')} {cell.interval}".rstrip()
                           for c, cell in enumerate(line.cells))]
                for index, (names, line) in enumerate(zip(_escape_rows(results.names()), results.lines, strict=True))
            ]  # fmt: skip
            body += [
                [f"*{name}*", *rest, *(f"*{cell}*" if cell else "-" for cell in published.cells)]
                for (name, *rest), published in zip(
                    _escape_rows(results.published_names()), results.published, strict=True
                )
            ]
            columns = (escape_markdown(f"{column.frames} {column.head}") for column in results.columns)
            heads = [*results.heads(), *columns]
            align = ["left"] * len(results.heads()) + ["right"] * len(results.columns)
            parts.append(tabulate(body, heads, "pipe", disable_numparse=True, colalign=align))
            marked = ["**Best**, <u>second</u>"] if results.lines else []
            marked += ["*published*"] if results.published else []
            title = escape_markdown(results.title)
            parts.append(f"{title[0].upper()}{title[1:]}. {', '.join(marked)}.")
            parts.append(make_markdown_list([*results.interval_notes, *results.notes]))
        if run.notes:
            parts.append(make_markdown_list(run.notes))
        return "\n\n".join(parts) + "\n"


def _escape_rows(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape_markdown(text) for text in row] for row in rows]


class Latex(TableReport):
    """The tables in LaTeX; they need \\usepackage{booktabs}.

    The best value is bold, the second best underlined; intervals are below the values. Published numbers are in italics
    below a rule. Benchmarks have their titles, with the number of frames if some are missing.
    """

    card = ReportCard("latex", "Table in LaTeX", default=True, text=True)
    file = "table.tex"

    @override
    def text(self, run: RunView) -> str:
        parts, titles = [], _titles(run)
        for results in self.tables(run):
            notes = [results.title, *results.interval_notes, *results.notes]
            parts.append("".join(f"% {to_line(note)}\n" for note in notes) + _tabular(results, titles))
        if run.notes:
            parts.append("".join(f"% {to_line(note)}\n" for note in run.notes))
        return "\n".join(parts)


def _titles(run: RunView) -> dict[str, str]:
    """Map the name of each set of frames to its title, with the number of frames unless the benchmark is complete."""
    titles = {}
    for result in run.results:
        frames, expected = result.counts["frames"], result.counts.get("expected_frames")
        count = f", {frames} of {expected} frames" if expected not in (frames, None) else ""
        titles[result.benchmark] = f"{run.benchmark_title(result.benchmark)}{count}"
        quality, calibration = run.quality.get(result.network), run.calibration(result)
        if quality and calibration:  # the quality is measured on the frames of the calibration
            titles[f"{quality['dataset']} {quality['split']}"] = calibration.source
    return titles


def _tabular(results: ResultsTable, titles: Mapping[str, str]) -> str:
    import pandas as pd

    heads, names = results.heads(), [*results.names(), *results.published_names()]
    columns = [("", escape_latex(head)) for head in heads]
    columns += [
        (escape_latex(titles.get(column.frames, column.frames)), escape_latex(column.head))
        for column in results.columns
    ]
    ranks, styles = results.ranks(), {1: r"\textbf{{{}}}", 2: r"\underline{{{}}}", 0: "{}"}
    cells = [
        [
            _stack(styles[ranks.get((index, c), 0)].format(cell.text or "--"), cell.interval)
            for c, cell in enumerate(line.cells)
        ]
        for index, line in enumerate(results.lines)
    ]
    measured = len(cells)
    cells += [[rf"\textit{{{cell}}}" if cell else "--" for cell in line.cells] for line in results.published]
    body = [[*map(escape_latex, name), *line] for name, line in zip(names, cells, strict=True)]
    styled = pd.DataFrame(body, columns=pd.MultiIndex.from_tuples(columns)).style.hide(axis="index")
    layout = "l" * len(heads) + "r" * len(results.columns)
    lines = styled.to_latex(hrules=True, multicol_align="c", column_format=layout).splitlines()
    if 0 < measured < len(cells):
        lines.insert(lines.index(r"\midrule") + 1 + measured, r"\midrule")
    return "\n".join(lines) + "\n"


def _stack(value: str, interval: str) -> str:
    return rf"\shortstack{{{value}\\{{\tiny {interval}}}}}" if interval else value
