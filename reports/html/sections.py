"""The rows of a run as the page's tables: one part a benchmark, protocol and scoring, a line a method and network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oodbench.contracts import HIGHER_IS_BETTER, REQUIREMENT_TITLES, MethodCard, MethodComparison, Result, RunView


@dataclass(frozen=True)
class Cell:
    """One number.

    Attributes:
        text: as printed; a dash where there is none.
        value: with all digits; None where there is none.
        bounds: the interval as text, empty where there is none.
        reason: why there is no number, or no interval.
        at: where the interval begins, the number stands and the interval ends, percent of the axis; None without one.
    """

    text: str
    value: float | None
    bounds: str = ""
    reason: str = ""
    at: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Line:
    """A method on a network.

    Attributes:
        anchor: of its provenance on the page.
        row: where it comes from.
        card: of the method; None where scores were given.
        metrics, quality, cost: column -> cell.
        flags: contamination -> yes, no or unknown.
    """

    anchor: str
    row: Result
    card: MethodCard | None
    metrics: Mapping[str, Cell]
    quality: Mapping[str, Cell]
    cost: Mapping[str, Cell]
    flags: Mapping[str, bool | None]


@dataclass(frozen=True)
class Part:
    """One table.

    Attributes:
        benchmark, protocol: names.
        anchor: of the part on the page.
        lines: in the order of the rows.
        columns: the metrics.
        comparisons: metric -> what chance explains of the differences.
        several: whether there are several networks.
    """

    benchmark: str
    protocol: str
    anchor: str
    lines: tuple[Line, ...]
    columns: tuple[str, ...]
    comparisons: Mapping[str, MethodComparison]
    several: bool

    @property
    def notes(self) -> list[str]:
        """What a reader has to know: partial sets, undefined metrics, saturated scores."""
        warnings = [warning for line in self.lines for warning in line.row.warnings]
        undefined = [
            f"{metric} of {line.row.label} is undefined: {reason}"
            for line in self.lines
            for metric, reason in line.row.undefined.items()
        ]
        left_out = [reason for comparison in self.comparisons.values() for reason in comparison.left_out]
        return list(dict.fromkeys([*warnings, *undefined, *left_out]))

    def name(self, line: Line) -> str:
        """The method, with its network where there are several."""
        return f"{line.row.label} / {line.row.network}" if self.several else line.row.label

    def apart(self) -> dict[str, dict[str, Any]]:
        """metric -> higher (is better), the lines that were compared, and the pairs that chance does not explain."""
        place = {(line.row.network, line.row.label): index for index, line in enumerate(self.lines)}
        found: dict[str, dict[str, Any]] = {
            metric: {"higher": HIGHER_IS_BETTER.get(metric, True), "known": [], "apart": []} for metric in self.columns
        }
        for metric, comparison in self.comparisons.items():
            order = [place[entry.network, entry.label] for entry in comparison.entries]
            found[metric] |= {"known": order, "apart": [[order[i], order[j]] for i, j in comparison.apart]}
        return found


COSTS = {"forward_ms": "Network, ms", "own_ms": "Method, ms", "fit_s": "Fit, s"}

QUALITY = {"miou": "mIoU", "ece": "ECE"}


def parts(run: RunView) -> list[Part]:
    """All tables of a run."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in run.rows:
        groups.setdefault((row.benchmark, row.protocol.name, str(row.scoring)), []).append(row)
    compared: dict[tuple[str, str], dict[str, MethodComparison]] = {}
    for comparison in run.comparisons():
        compared.setdefault((comparison.benchmark, comparison.protocol), {})[comparison.metric] = comparison
    made = []
    for number, ((benchmark, protocol, _), rows) in enumerate(groups.items()):
        columns = tuple(name for name in HIGHER_IS_BETTER if any(name in row.metrics for row in rows))
        ends = {metric: _end(rows, metric) for metric in columns}
        lines = tuple(_line(run, row, f"provenance-{number}-{index}", columns, ends) for index, row in enumerate(rows))
        known = {(row.network, row.label) for row in rows}
        comparisons = {
            metric: comparison
            for metric, comparison in compared.get((benchmark, protocol), {}).items()
            if {(entry.network, entry.label) for entry in comparison.entries} <= known
        }
        several = len({row.network for row in rows}) > 1
        made.append(Part(benchmark, protocol, f"part-{number}", lines, columns, comparisons, several))
    return made


def _line(run: RunView, row: Result, anchor: str, columns: Sequence[str], ends: Mapping[str, float]) -> Line:
    contamination = run.contamination(row)
    quality = run.quality.get(row.network, {})
    own = [row.cost.summary_ms, row.cost.score_ms]
    cost = row.cost.record() | {
        "own_ms": sum(value or 0 for value in own) if any(value is not None for value in own) else None
    }
    return Line(
        anchor,
        row,
        run.card(row),
        {metric: _cell(row, metric, ends[metric]) for metric in columns},
        {title: _number(quality.get(name), 100) for name, title in QUALITY.items()},
        {title: _number(cost.get(name), 1, ".1f") for name, title in COSTS.items()},
        {title: getattr(contamination, name) for name, title in REQUIREMENT_TITLES.items()},
    )


def _number(value: float | None, scale: float, how: str = ".2f") -> Cell:
    return Cell("–", None) if value is None else Cell(f"{scale * value:{how}}", value)


def _end(rows: Sequence[Result], metric: str) -> float:
    """The end of the metric's axis, which begins at 0."""
    highest = [row.intervals.bounds[metric][1] for row in rows if row.intervals and metric in row.intervals.bounds]
    values = [value for row in rows if (value := row.metrics.get(metric)) is not None]
    return max([*highest, *values, 1e-9])


def _cell(row: Result, metric: str, end: float) -> Cell:
    value = row.metrics.get(metric)
    if value is None:
        return Cell("–", None, reason=row.undefined.get(metric, "not measured under this protocol"))
    text, intervals = f"{100 * value:.2f}", row.intervals
    if intervals is None or metric not in intervals.bounds:
        reason = "" if intervals is None else intervals.undefined.get(metric, "")
        return Cell(text, value, reason=reason and f"no interval: {reason}")
    low, high = intervals.bounds[metric]
    place = (100 * low / end, 100 * value / end, 100 * high / end)
    return Cell(text, value, intervals.text(metric), at=place)
