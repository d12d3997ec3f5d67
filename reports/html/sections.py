"""The results tables as sections of the page: one per benchmark, protocol and scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oodbench.contracts import REQUIREMENT_TITLES, MethodCard, MethodComparison, MetricGroup, Result, RunView
from oodbench.reports.tables.build import BRACKET_NOTE, results_tables
from oodbench.reports.tables.model import Cell, Column, Line, ResultsTable

# The order of the columns.
_GROUPS: tuple[MetricGroup, ...] = ("anomaly", "closed-set", "cost")


@dataclass(frozen=True)
class PlacedCell:
    """A cell of the table on the page.

    Attributes:
        column: Its column.
        cell: The number.
        at: Start of the interval, value and end of the interval, in percent of the axis; None without an interval.
    """

    column: Column
    cell: Cell
    at: tuple[float, float, float] | None = None

    @property
    def text(self) -> str:
        """The number as printed, or a dash if there is none."""
        return self.cell.text or "–"


@dataclass(frozen=True)
class SectionLine:
    """A method on a network, on the section's benchmark.

    Attributes:
        anchor: Anchor of its provenance on the page.
        row: The result.
        card: The card of the method; None for external scores.
        cells: One per column.
        flags: Title of a requirement -> yes, no or unknown.
    """

    anchor: str
    row: Result
    card: MethodCard | None
    cells: tuple[PlacedCell, ...]
    flags: Mapping[str, bool | None]

    @property
    def metrics(self) -> dict[str, PlacedCell]:
        """The anomaly metrics, by name."""
        return {cell.column.spec.name: cell for cell in self.cells if cell.column.spec.group == "anomaly"}


@dataclass(frozen=True)
class Section:
    """One table on the page.

    Attributes:
        benchmark: Name of the benchmark.
        anchor: Anchor of the table on the page.
        table: The table, with the lines and columns of the benchmark.
        lines: Its lines, in the order of the results.
    """

    benchmark: str
    anchor: str
    table: ResultsTable
    lines: tuple[SectionLine, ...]

    @property
    def protocol(self) -> str:
        """Name of the protocol."""
        return self.table.protocol

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns: anomaly metrics, closed-set quality, costs."""
        return self.table.columns

    @property
    def metrics(self) -> dict[str, Column]:
        """The columns of anomaly metrics, by name."""
        return {column.spec.name: column for column in self.columns if column.spec.group == "anomaly"}

    @property
    def comparisons(self) -> dict[str, MethodComparison]:
        """Metric -> its significance tests."""
        return {metric: comparison for (_, metric), comparison in self.table.comparisons.items()}

    @property
    def several(self) -> bool:
        """Whether there are several networks."""
        return len({line.row.network for line in self.lines}) > 1

    @property
    def notes(self) -> list[str]:
        """Notes on partial sets, undefined metrics and saturated scores."""
        warnings = [warning for line in self.lines for warning in line.row.warnings]
        undefined = [
            f"{metric} of {line.row.label} is undefined: {reason}"
            for line in self.lines
            for metric, reason in line.row.undefined.items()
        ]
        bounded = (
            [f"{BRACKET_NOTE[0].upper()}{BRACKET_NOTE[1:]}"] if any(line.row.brackets for line in self.lines) else []
        )
        left_out = [reason for comparison in self.comparisons.values() for reason in comparison.left_out]
        return list(dict.fromkeys([*bounded, *warnings, *undefined, *left_out]))

    def name(self, line: SectionLine) -> str:
        """Return the method, with its network if there are several."""
        return f"{line.row.label} / {line.row.network}" if self.several else line.row.label

    def head(self, column: Column) -> str:
        """Return the title of a column, with its frames if closed-set quality was measured on several sets."""
        quality = {other.frames for other in self.columns if other.spec.group == "closed-set"}
        ambiguous = len(quality) > 1 and column.spec.group == "closed-set"
        return f"{column.spec.title}, {column.frames}" if ambiguous else column.spec.title

    def significance(self) -> dict[str, dict[str, Any]]:
        """Return, by metric, the data by which the page marks the best method and its ties.

        `higher`: whether higher is better. `known`: indices of the compared lines. `apart`: significantly different
        pairs (better, worse).
        """
        facts: dict[str, dict[str, Any]] = {}
        for name, column in self.metrics.items():
            known, pairs = self.table.significant_pairs(column)
            facts[name] = {
                "higher": column.spec.higher_is_better,
                "known": known,
                "apart": [list(pair) for pair in pairs],
            }
        return facts


def build_sections(run: RunView) -> list[Section]:
    """Return all sections of a run, in the order of its results."""
    tables = [
        (benchmark, table.of_benchmark(benchmark))
        for table in results_tables(run, run.comparisons())
        for benchmark in dict.fromkeys(name for line in table.lines for name in line.results)
    ]
    place = {id(row): index for index, row in enumerate(run.results)}
    tables.sort(key=lambda entry: min(place[id(line.results[entry[0]])] for line in entry[1].lines))
    return [_section(run, benchmark, number, _by_group(table)) for number, (benchmark, table) in enumerate(tables)]


def _by_group(table: ResultsTable) -> ResultsTable:
    """Return a table with its columns in the order of the page."""
    places = [_GROUPS.index(column.spec.group) for column in table.columns]
    return table.arrange(sorted(range(len(places)), key=places.__getitem__))


def _section(run: RunView, benchmark: str, number: int, table: ResultsTable) -> Section:
    ends = [_axis_end([line.cells[index] for line in table.lines]) for index in range(len(table.columns))]
    lines = tuple(
        _line(run, line, benchmark, f"provenance-{number}-{index}", table.columns, ends)
        for index, line in enumerate(table.lines)
    )
    return Section(benchmark, f"part-{number}", table, lines)


def _line(
    run: RunView, line: Line, benchmark: str, anchor: str, columns: Sequence[Column], ends: Sequence[float]
) -> SectionLine:
    row = line.results[benchmark]
    cells = tuple(
        PlacedCell(column, cell, _place(cell, end)) for column, cell, end in zip(columns, line.cells, ends, strict=True)
    )
    flags = {title: getattr(line.requirements, name) for name, title in REQUIREMENT_TITLES.items()}
    return SectionLine(anchor, row, run.card(row), cells, flags)


def _axis_end(cells: Sequence[Cell]) -> float:
    """Return the end of a column's axis, which begins at 0."""
    highest = [cell.bounds[1] for cell in cells if cell.bounds]
    return max([*highest, *(cell.value for cell in cells if cell.value is not None), 1e-9])


def _place(cell: Cell, end: float) -> tuple[float, float, float] | None:
    if cell.bounds is None or cell.value is None:
        return None
    low, high = cell.bounds
    return 100 * low / end, 100 * cell.value / end, 100 * high / end
