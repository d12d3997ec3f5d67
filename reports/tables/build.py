"""The results tables of a run, built from its results, the quality of its networks and published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oodbench.contracts import METRICS, MethodComparison, MetricSpec, Quality, Result, RunView, metric_spec, metrics_of
from oodbench.reports.tables.model import Cell, Column, Line, ResultsTable
from oodbench.reports.tables.published import published_lines

_SCORED = {
    "logits": "class maps brought to the label's resolution and scored there, features scored on their grid",
    "score": "scored on the network's grid, scores brought to the label's resolution",
    "given": "scores as given, smaller ones brought to the label's resolution",
}
"""Scoring's `upsample` in words."""


def results_tables(run: RunView, comparisons: Sequence[MethodComparison] = ()) -> list[ResultsTable]:
    """Return one table per combination of scoring and protocol among the results.

    Published lines are in each table that has one of their benchmarks. Those on other benchmarks are in a separate
    table, the last one.

    Args:
        run: The run.
        comparisons: Its significance tests, where the reader of the tables shows them.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for row in run.results:
        scored = _SCORED[row.scoring.upsample]
        if row.scoring.resize == "bilinear-aligned":
            scored += ", corner pixels aligned"
        groups.setdefault((scored, row.protocol.name), []).append(row)
    tables = [_table(scored, protocol, rows, run, comparisons) for (scored, protocol), rows in groups.items()]
    shown = {column.frames for table in tables for column in table.columns}
    elsewhere = [row for row in run.published if row.benchmark not in shown]
    if elsewhere:
        benchmarks = list(dict.fromkeys(row.benchmark for row in elsewhere))
        distinct = dict.fromkeys(Column(row.benchmark, metric_spec(name)) for row in elsewhere for name in row.metrics)

        def order(column: Column) -> tuple[bool, int, int]:
            return column.spec.group != "closed-set", benchmarks.index(column.frames), _place(column.spec)

        columns = tuple(sorted(distinct, key=order))
        lines, notes = published_lines(run.published, _keys(columns))
        tables.append(ResultsTable("published alone; percent", "", columns, (), tuple(notes), published=tuple(lines)))
    return tables


def read_cell(spec: MetricSpec, row: Result, quality: Quality) -> Cell:
    """Return the number of one metric, with its interval.

    Args:
        spec: The metric.
        row: The result.
        quality: The closed-set quality of its network, empty if it was not measured.
    """
    value = spec.read(row, quality)
    if value is None:
        anomaly = spec.group == "anomaly"
        reason = row.undefined.get(spec.name, "not measured under this protocol") if anomaly else ""
        return Cell(reason=reason)
    text, intervals = spec.format(value), row.intervals
    if intervals is None:
        return Cell(value, text)
    if spec.name not in intervals.bounds:
        reason = intervals.undefined.get(spec.name, "")
        return Cell(value, text, reason=reason and f"no interval: {reason}")
    return Cell(value, text, intervals.bounds[spec.name], intervals.text(spec.name))


def anomaly_specs(rows: Sequence[Result]) -> list[MetricSpec]:
    """Return the anomaly metrics that any of these results has, in the order of columns; undefined ones too."""
    specs = {name: metric_spec(name) for row in rows for name in row.metrics}
    specs |= {spec.name: spec for spec in metrics_of("anomaly") if any(spec.read(row, {}) is not None for row in rows)}
    return sorted(specs.values(), key=_place)


def _place(spec: MetricSpec) -> int:
    """Return the place of a metric among all; a false positive rate that is not declared follows the declared one."""
    return list(METRICS).index(spec.name if spec.name in METRICS else "FPR95")


def _keys(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.frames, column.spec.name) for column in columns]


def _table(
    scored: str, protocol: str, rows: Sequence[Result], run: RunView, comparisons: Sequence[MethodComparison]
) -> ResultsTable:
    columns = _columns(rows, run.quality)
    by_line: dict[tuple[str, str], dict[str, Result]] = {}
    for row in rows:
        by_line.setdefault((row.label, row.network), {})[row.benchmark] = row
    lines = tuple(
        Line(
            method,
            network,
            results,
            run.requirements(list(results.values())[-1]),
            tuple(_cell(column, results, run.quality.get(network, {})) for column in columns),
        )
        for (method, network), results in by_line.items()
    )
    published, published_notes = published_lines(run.published, _keys(columns))
    return ResultsTable(
        title=f"{scored}; protocol {protocol}; percent",
        protocol=protocol,
        columns=columns,
        lines=lines,
        notes=(*_notes(rows, run.quality, columns), *published_notes),
        interval_notes=tuple(_interval_notes(rows)),
        published=tuple(published),
        comparisons={
            (comparison.benchmark, comparison.metric): comparison
            for comparison in comparisons
            if comparison.protocol == protocol and _covers(lines, comparison)
        },
    )


def _columns(rows: Sequence[Result], quality: Mapping[str, Quality]) -> tuple[Column, ...]:
    """Return closed-set quality first; then, by benchmark, the anomaly metrics and the costs that any result has."""
    columns = dict.fromkeys(
        Column(_quality_frames(known), spec)
        for row in rows
        if (known := quality.get(row.network))
        for spec in metrics_of("closed-set")
        if spec.read(row, known) is not None
    )
    for benchmark in dict.fromkeys(row.benchmark for row in rows):
        of_benchmark = [row for row in rows if row.benchmark == benchmark]
        columns |= dict.fromkeys(Column(benchmark, spec) for spec in anomaly_specs(of_benchmark))
        columns |= dict.fromkeys(
            Column(benchmark, spec)
            for spec in metrics_of("cost")
            if any(spec.read(row, quality.get(row.network, {})) is not None for row in of_benchmark)
        )
    return tuple(columns)


def _cell(column: Column, results: Mapping[str, Result], quality: Quality) -> Cell:
    if column.spec.group == "closed-set":
        measured = bool(quality) and _quality_frames(quality) == column.frames
        return read_cell(column.spec, next(iter(results.values())), quality) if measured else Cell()
    return read_cell(column.spec, results[column.frames], quality) if column.frames in results else Cell()


def _quality_frames(quality: Quality) -> str:
    return f"{quality['dataset']} {quality['split']}"


def _covers(lines: Sequence[Line], comparison: MethodComparison) -> bool:
    """Whether all methods of a comparison have a line with a result on its benchmark."""
    known = {(line.network, line.method) for line in lines if comparison.benchmark in line.results}
    return {(entry.network, entry.label) for entry in comparison.entries} <= known


def _notes(rows: Sequence[Result], quality: Mapping[str, Quality], columns: Sequence[Column]) -> list[str]:
    closed = any(column.spec.group == "closed-set" for column in columns)
    frames = {_quality_frames(known): known["frames"] for known in quality.values() if closed}
    frames |= {row.benchmark: row.counts["frames"] for row in rows}
    counted = "Frames: " + ", ".join(f"{name} {count}" for name, count in frames.items()) + "."
    warnings = dict.fromkeys(warning for row in rows for warning in row.warnings)
    undefined = dict.fromkeys(
        f"{row.benchmark}: {metric} is undefined: {reason}" for row in rows for metric, reason in row.undefined.items()
    )
    return [counted, *warnings, *undefined]


def _interval_notes(rows: Sequence[Result]) -> list[str]:
    titles = dict.fromkeys(f"{row.intervals.title}." for row in rows if row.intervals and row.intervals.bounds)
    missing = dict.fromkeys(
        f"{row.benchmark}: no interval of {metric}: {reason}"
        for row in rows
        if row.intervals
        for metric, reason in row.intervals.undefined.items()
        if metric not in row.undefined
    )
    return [*titles, *missing]
