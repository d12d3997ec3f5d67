"""The results of a run as tables. Text, Markdown, LaTeX, CSV and the HTML page share this model.

A table has one line per method and network, and one column per benchmark and metric. `oodbench.contracts.METRICS`
declares the metrics. In addition to the anomaly metrics, a table has the closed-set quality of the network. Results
with different scoring or protocols are never in one table: each combination gets a separate table. Published numbers
follow the measured lines. Each published line names its source and protocol, and is not ranked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oodbench.contracts import REQUIREMENT_TITLES, MethodComparison, MetricGroup, MetricSpec, Requirements, Result
from oodbench.reports.tables.published import PublishedLine


@dataclass(frozen=True)
class Column:
    """A metric on a set of frames.

    Attributes:
        frames: Name of the benchmark; for closed-set quality, the dataset and its split.
        spec: The metric.
    """

    frames: str
    spec: MetricSpec

    @property
    def head(self) -> str:
        """The metric's title with an arrow in the direction in which it gets better."""
        return f"{self.spec.title} {self.spec.arrow}"


@dataclass(frozen=True)
class Cell:
    """A number of a table, with its interval.

    Attributes:
        value: The number with all digits; percentages as fractions; the midpoint of a bracket; None if there is none.
        text: The number as printed, or its bracket; empty if there is none.
        bounds: The ends of its interval as fractions; None if there is none.
        interval: The interval as printed; empty if there is none.
        reason: Why there is no number, or no interval; empty if there is no reason to show.
    """

    value: float | None = None
    text: str = ""
    bounds: tuple[float, float] | None = None
    interval: str = ""
    reason: str = ""

    @property
    def printed_range(self) -> tuple[float, float]:
        """The bounds of the printed bracket, or the printed number twice."""
        numbers = [float(number) for number in self.text.strip("[]").split(",")]
        return numbers[0], numbers[-1]


@dataclass(frozen=True)
class Line:
    """The numbers of a method on a network.

    Attributes:
        method: Label of the method.
        network: Name of the network.
        results: The result on each benchmark, by the benchmark's name.
        requirements: The training signals of the method.
        cells: The cells, one per column.
    """

    method: str
    network: str
    results: Mapping[str, Result]
    requirements: Requirements
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ResultsTable:
    """A results table.

    Attributes:
        title: The scoring and the protocol.
        protocol: Name of the protocol; empty if all lines are published ones.
        columns: Closed-set quality first; then, by benchmark, the anomaly metrics and the costs.
        lines: The measured lines, in the order of the results.
        notes: Notes that a reader must know.
        interval_notes: How the intervals were computed, and why some are missing.
        published: Published lines, with one cell per column.
        comparisons: Significance tests by benchmark and metric; empty unless the table was built with them.
    """

    title: str
    protocol: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    interval_notes: tuple[str, ...] = ()
    published: tuple[PublishedLine, ...] = ()
    comparisons: Mapping[tuple[str, str], MethodComparison] = field(default_factory=dict)

    def select(self, groups: Collection[MetricGroup]) -> ResultsTable:
        """Return the table with the columns of some groups of metrics."""
        return self.arrange([index for index, column in enumerate(self.columns) if column.spec.group in groups])

    def of_benchmark(self, benchmark: str) -> ResultsTable:
        """Return the lines that have a result on a benchmark, with its columns and those of closed-set quality."""
        kept = [
            index
            for index, column in enumerate(self.columns)
            if column.frames == benchmark or column.spec.group == "closed-set"
        ]
        return replace(
            self.arrange(kept),
            lines=tuple(_arrange_cells(line, kept) for line in self.lines if benchmark in line.results),
            comparisons={key: comparison for key, comparison in self.comparisons.items() if key[0] == benchmark},
        )

    def arrange(self, order: Sequence[int]) -> ResultsTable:
        """Return the table with the columns of these indices, in this order."""
        return replace(
            self,
            columns=tuple(self.columns[index] for index in order),
            lines=tuple(_arrange_cells(line, order) for line in self.lines),
            published=tuple(replace(line, cells=[line.cells[index] for index in order]) for line in self.published),
        )

    def ranks(self) -> dict[tuple[int, int], int]:
        """Return (line, column) -> 1 for the best and 2 for the second value of the column, as printed.

        Equal values share a rank, and so do values of which none is certainly better, because their brackets overlap.
        If all values are equal, only anomaly metrics are ranked, because methods share the quality and the cost of
        their network.
        """
        ranks: dict[tuple[int, int], int] = {}
        for column, spec in enumerate(column.spec for column in self.columns):
            ranges = {
                index: line.cells[column].printed_range
                for index, line in enumerate(self.lines)
                if line.cells[column].text
            }
            if len(ranges) > 1 and (len(set(ranges.values())) > 1 or spec.group == "anomaly"):
                for rank in (1, 2):
                    leaders = _find_leaders(ranges, higher_is_better=spec.higher_is_better)
                    ranks |= {(index, column): rank for index in leaders}
                    ranges = {index: ends for index, ends in ranges.items() if index not in leaders}
        return ranks

    def significant_pairs(self, column: Column) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the indices of the compared lines from the best, and the significantly different pairs."""
        comparison = self.comparisons.get((column.frames, column.spec.name))
        if comparison is None:
            return [], []
        place = {(line.network, line.method): index for index, line in enumerate(self.lines)}
        order = [place[entry.network, entry.label] for entry in comparison.entries]
        return order, [(order[better], order[worse]) for better, worse in comparison.apart]

    @property
    def names_networks(self) -> bool:
        """Whether lines have a column for their network."""
        return bool(self.published) or len({line.network for line in self.lines}) > 1

    @property
    def tells_requirements(self) -> bool:
        """Whether lines have columns for the training signals: if any method needs one, or if some are unknown."""
        everything = [line.requirements for line in self.lines] + [line.requirements for line in self.published]
        # Columns of external scores only would say nothing.
        return any(text != "-" for requirements in everything for text in requirements.texts()) and any(
            requirements != Requirements() for requirements in everything
        )

    def heads(self) -> list[str]:
        """Return the heads of the columns that precede the numbers."""
        return [
            "Method",
            *(["Network"] if self.names_networks else []),
            *(REQUIREMENT_TITLES.values() if self.tells_requirements else []),
            *(["Source", "Protocol"] if self.published else []),
        ]

    def names(self) -> list[list[str]]:
        """Return the cells that precede the numbers, for each measured line."""
        return [
            self._names(line.method, line.network, line.requirements, "measured", self.protocol) for line in self.lines
        ]

    def published_names(self) -> list[list[str]]:
        """Return the cells that precede the numbers, for each published line."""
        return [
            self._names(line.method, line.network or "?", line.requirements, line.source, line.protocol or "?")
            for line in self.published
        ]

    def _names(self, method: str, network: str, requirements: Requirements, source: str, protocol: str) -> list[str]:
        return [
            method,
            *([network] if self.names_networks else []),
            *(requirements.texts() if self.tells_requirements else []),
            *([source, protocol] if self.published else []),
        ]


def _find_leaders(ranges: Mapping[int, tuple[float, float]], *, higher_is_better: bool) -> set[int]:
    """Return the keys of the values than which no other is certainly better."""
    if higher_is_better:
        least = max((low for low, _ in ranges.values()), default=0.0)
        return {index for index, (_, high) in ranges.items() if high >= least}
    most = min((high for _, high in ranges.values()), default=0.0)
    return {index for index, (low, _) in ranges.items() if low <= most}


def _arrange_cells(line: Line, order: Sequence[int]) -> Line:
    return replace(line, cells=tuple(line.cells[index] for index in order))
