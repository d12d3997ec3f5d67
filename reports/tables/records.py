"""The results for other programs, as CSV and JSON: fractions with all digits."""

from __future__ import annotations

import json
from collections.abc import Sequence

from typing_extensions import override

from oodbench.contracts import MetricSpec, PublishedResult, ReportCard, Result, RunView, metrics_of
from oodbench.reports.tables.build import anomaly_specs
from oodbench.reports.tables.formats import TextReport
from oodbench.text import escape_cell, escape_controls

PLUGINS = {
    "reports": {
        "csv": ("Csv", "all results with their counts and costs, one line per result"),
        "json": ("Json", "all results, measured and published, as JSON records"),
    }
}


class Csv(TextReport):
    """One line per result, measured results first, then published ones; the column `origin` states the kind.

    An apostrophe precedes a text that a spreadsheet would compute, such as `=1+1`. Numbers are unchanged.
    """

    card = ReportCard("csv", "Results as CSV", default=True, text=True)
    file = "table.csv"

    @override
    def text(self, run: RunView) -> str:
        import pandas as pd

        specs = anomaly_specs(run.results)
        records = [
            *(_measured_record(run, result, specs) for result in run.results),
            *(_published_record(result) for result in run.published),
        ]
        lines = [
            {_escape(name): _escape(value) if isinstance(value, str) else value for name, value in record.items()}
            for record in records
        ]
        # Published results have no seed and no counts; convert_dtypes keeps whole numbers whole in columns with gaps.
        return str(pd.DataFrame(lines).convert_dtypes().to_csv(index=False))


class Json(TextReport):
    """The records of result.json, each with its training signals, as `rows`; published results; and the notes."""

    card = ReportCard("json", "Results as JSON", text=True)
    file = "table.json"

    @override
    def text(self, run: RunView) -> str:
        content = {
            "rows": [
                result.model_dump(mode="json") | {"requirements": run.requirements(result).model_dump(mode="json")}
                for result in run.results
            ],
            "published": [result.model_dump(mode="json") for result in run.published],
            "quality": run.quality,
            "notes": list(run.notes),
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _escape(text: str) -> str:
    return escape_cell(escape_controls(text))


def _measured_record(run: RunView, result: Result, specs: Sequence[MetricSpec]) -> dict[str, object]:
    quality = run.quality.get(result.network, {})
    closed_set_and_cost = [*metrics_of("closed-set"), *metrics_of("cost")]
    return (
        {"network": result.network, "method": result.method, "label": result.label, "benchmark": result.benchmark}
        | {"scoring": result.scoring.upsample, "resize": result.scoring.resize}
        | {"protocol": result.protocol.name, "seed": result.seed, "origin": "measured"}
        | run.requirements(result).model_dump()
        | {spec.name: spec.read(result, quality) for spec in specs}
        | _bracket_record(result)
        | _interval_record(result)
        | result.counts
        | {spec.name: spec.read(result, quality) for spec in closed_set_and_cost}
    )


def _published_record(result: PublishedResult) -> dict[str, object]:
    return (
        {"network": result.network, "method": result.method, "label": result.method, "benchmark": result.benchmark}
        | {"protocol": result.protocol, "origin": "published"}
        | {"source": result.source, "confirmed": result.confirmed}
        | result.requirements.model_dump()
        | result.metrics
    )


def _bracket_record(result: Result) -> dict[str, object]:
    """Return the bracket of each metric that has one as text, in place of the number, and its ends and its width."""
    record: dict[str, object] = {}
    for name, (low, high) in result.brackets.items():
        record |= {name: f"[{low!r}, {high!r}]", f"{name}_min": low, f"{name}_max": high}
    return record


def _interval_record(result: Result) -> dict[str, object]:
    if result.intervals is None:
        return {}
    ends: dict[str, object] = {
        f"{metric}_{name}": value
        for metric, bounds in result.intervals.bounds.items()
        for name, value in zip(("low", "high"), bounds, strict=True)
    }
    method = {"interval_level": result.intervals.level, "interval_method": result.intervals.method}
    return ends | method | {"interval_unit": result.intervals.unit, "interval_resamples": result.intervals.resamples}
