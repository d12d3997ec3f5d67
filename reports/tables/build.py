"""The results tables of a run, built from its results, the quality of its networks and published numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oodbench.contracts import (
    METRICS,
    MethodComparison,
    MetricSpec,
    Quality,
    Result,
    RunView,
    Scoring,
    group_comparable,
    metric_spec,
    metrics_of,
)
from oodbench.reports.tables.model import Cell, Column, Line, ResultsTable
from oodbench.reports.tables.published import published_lines

_SCORED = {
    "logits": "class maps resized to the label resolution and scored there, features scored on their grid",
    "score": "scored on the network's grid, scores resized to the label resolution",
    "given": "external scores, smaller maps resized to the label resolution",
}
"""Description of each value of `Scoring.upsample`."""

BRACKET_NOTE = "two numbers in place of one are guaranteed bounds of a metric that was computed from histograms."
"""Explanation of the bounds that tables print instead of numbers."""


def results_tables(run: RunView, comparisons: Sequence[MethodComparison] = ()) -> list[ResultsTable]:
    """Return one table per combination of scoring and protocol among the results.

    A published line is in each table that has one of its benchmarks. Published lines on other benchmarks are in a
    separate table, which is the last one.

    Args:
        run: The run.
        comparisons: Its significance tests, if the reader of the tables shows them.
    """
    tables = [
        _table(_describe_scoring(scoring, results), protocol, results, run, comparisons)
        for (scoring, protocol), results in group_comparable(run.results).items()
    ]
    shown = {column.frames for table in tables for column in table.columns}
    elsewhere = [result for result in run.published if result.benchmark not in shown]
    if elsewhere:
        benchmarks = list(dict.fromkeys(result.benchmark for result in elsewhere))
        distinct = dict.fromkeys(
            Column(result.benchmark, metric_spec(name)) for result in elsewhere for name in result.metrics
        )

        def order(column: Column) -> tuple[bool, int, int]:
            return column.spec.group != "closed-set", benchmarks.index(column.frames), _place(column.spec)

        columns = tuple(sorted(distinct, key=order))
        lines, notes = published_lines(run.published, _keys(columns))
        tables.append(
            ResultsTable("published results only; percent", "", columns, (), tuple(notes), published=tuple(lines))
        )
    return tables


def _describe_scoring(scoring: Scoring, results: Sequence[Result]) -> str:
    """Describe the scoring of a table, which external scores may have joined."""
    text = _SCORED[scoring.upsample]
    if scoring.resize == "bilinear-aligned":
        text += ", corner pixels aligned"
    joined = [result.label for result in results if result.scoring.is_external and not scoring.is_external]
    return f"{text}; {', '.join(dict.fromkeys(joined))}: {_SCORED['given']}" if joined else text


def read_cell(spec: MetricSpec, result: Result, quality: Quality) -> Cell:
    """Return the number of one metric, with its interval.

    Args:
        spec: The metric.
        result: The result.
        quality: The closed-set quality of its network; empty if it was not measured.
    """
    value = spec.read(result, quality)
    if value is None:
        anomaly = spec.group == "anomaly"
        reason = result.undefined.get(spec.name, "not measured under this protocol") if anomaly else ""
        return Cell(reason=reason)
    bracket = result.brackets.get(spec.name) if spec.group == "anomaly" else None
    text = spec.format(value) if bracket is None else spec.format_bracket(bracket)
    intervals = result.intervals
    if intervals is None:
        return Cell(value, text)
    if spec.name not in intervals.bounds:
        reason = intervals.undefined.get(spec.name, "")
        return Cell(value, text, reason=reason and f"no interval: {reason}")
    return Cell(value, text, intervals.bounds[spec.name], intervals.text(spec.name))


def anomaly_specs(results: Sequence[Result]) -> list[MetricSpec]:
    """Return the anomaly metrics that any of these results has, in the order of columns, including undefined ones."""
    specs = {name: metric_spec(name) for result in results for name in result.metrics}
    specs |= {
        spec.name: spec
        for spec in metrics_of("anomaly")
        if any(spec.read(result, {}) is not None for result in results)
    }
    return sorted(specs.values(), key=_place)


def _place(spec: MetricSpec) -> int:
    """Return the position of a metric in column order; other false positive rates have that of FPR95."""
    return list(METRICS).index(spec.name if spec.name in METRICS else "FPR95")


def _keys(columns: Sequence[Column]) -> list[tuple[str, str]]:
    return [(column.frames, column.spec.name) for column in columns]


def _table(
    scored: str, protocol: str, results: Sequence[Result], run: RunView, comparisons: Sequence[MethodComparison]
) -> ResultsTable:
    columns = _columns(results, run.quality)
    by_line: dict[tuple[str, str], dict[str, Result]] = {}
    for result in results:
        by_line.setdefault((result.label, result.network), {})[result.benchmark] = result
    lines = tuple(
        Line(
            method,
            network,
            by_benchmark,
            run.requirements(list(by_benchmark.values())[-1]),
            tuple(_cell(column, by_benchmark, run.quality.get(network, {})) for column in columns),
        )
        for (method, network), by_benchmark in by_line.items()
    )
    published, published_notes = published_lines(run.published, _keys(columns))
    return ResultsTable(
        title=f"{scored}; protocol {protocol}; percent",
        protocol=protocol,
        columns=columns,
        lines=lines,
        notes=(*_notes(results, run.quality, columns), *published_notes),
        interval_notes=tuple(_interval_notes(results)),
        published=tuple(published),
        comparisons={
            (comparison.benchmark, comparison.metric): comparison
            for comparison in comparisons
            if comparison.protocol == protocol and _covers(lines, comparison)
        },
    )


def _columns(results: Sequence[Result], quality: Mapping[str, Quality]) -> tuple[Column, ...]:
    """Return the columns: closed-set quality, and then by benchmark the anomaly metrics and costs of any result."""
    columns = dict.fromkeys(
        Column(_quality_frames(network_quality), spec)
        for result in results
        if (network_quality := quality.get(result.network))
        for spec in metrics_of("closed-set")
        if spec.read(result, network_quality) is not None
    )
    for benchmark in dict.fromkeys(result.benchmark for result in results):
        of_benchmark = [result for result in results if result.benchmark == benchmark]
        columns |= dict.fromkeys(Column(benchmark, spec) for spec in anomaly_specs(of_benchmark))
        columns |= dict.fromkeys(
            Column(benchmark, spec)
            for spec in metrics_of("cost")
            if any(spec.read(result, quality.get(result.network, {})) is not None for result in of_benchmark)
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
    """Return whether all methods of a comparison have a line with a result on its benchmark."""
    lines_with_result = {(line.network, line.method) for line in lines if comparison.benchmark in line.results}
    return {(entry.network, entry.label) for entry in comparison.entries} <= lines_with_result


def _notes(results: Sequence[Result], quality: Mapping[str, Quality], columns: Sequence[Column]) -> list[str]:
    closed = any(column.spec.group == "closed-set" for column in columns)
    frames = {_quality_frames(part): part["frames"] for part in quality.values() if closed}
    frames |= {result.benchmark: result.counts["frames"] for result in results}
    counted = "Frames: " + ", ".join(f"{name} {count}" for name, count in frames.items()) + "."
    warnings = dict.fromkeys(warning for result in results for warning in result.warnings)
    undefined = dict.fromkeys(
        f"{result.benchmark}: {metric} is undefined: {reason}"
        for result in results
        for metric, reason in result.undefined.items()
    )
    bounded = dict.fromkeys(result.benchmark for result in results if result.brackets)
    explained = [f"{', '.join(bounded)}: {BRACKET_NOTE}"] if bounded else []
    return [counted, *explained, *warnings, *undefined]


def _interval_notes(results: Sequence[Result]) -> list[str]:
    with_bounds = [result.intervals for result in results if result.intervals and result.intervals.bounds]
    titles = dict.fromkeys(f"{intervals.title}." for intervals in with_bounds)
    missing = dict.fromkeys(
        f"{result.benchmark}: no interval of {metric}: {reason}"
        for result in results
        if result.intervals
        for metric, reason in result.intervals.undefined.items()
        if metric not in result.undefined
    )
    return [*titles, *missing]
