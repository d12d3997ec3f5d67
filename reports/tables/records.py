"""The results for other programs: as CSV and as JSON, fractions with all digits."""

from __future__ import annotations

import json
from collections.abc import Sequence

from oodbench.contracts import MetricSpec, PublishedResult, ReportCard, Result, RunView, metrics_of
from oodbench.reports.tables.build import anomaly_specs
from oodbench.reports.tables.formats import TextReport

PLUGINS = {
    "reports": {
        "csv": ("Csv", "all rows with their counts and costs, one line each"),
        "json": ("Json", "all rows, and those that others published, as they are"),
    }
}


class Csv(TextReport):
    """One line per result. Measured results come first, then published ones; the column `origin` has which they are."""

    card = ReportCard("csv", "Rows as CSV", default=True, text=True)
    file = "table.csv"

    def text(self, run: RunView) -> str:
        import pandas as pd

        specs = anomaly_specs(run.results)
        rows = [*(_measured(run, row, specs) for row in run.results), *(_published(row) for row in run.published)]
        # A published row has no seed and no counts; whole numbers stay whole beside it.
        return str(pd.DataFrame(rows).convert_dtypes().to_csv(index=False))


class Json(TextReport):
    """`rows` as in result.json, each with its requirements; `published` beside them, and the notes."""

    card = ReportCard("json", "Rows as JSON", text=True)
    file = "table.json"

    def text(self, run: RunView) -> str:
        content = {
            "rows": [
                row.model_dump(mode="json") | {"requirements": run.requirements(row).model_dump(mode="json")}
                for row in run.results
            ],
            "published": [row.model_dump(mode="json") for row in run.published],
            "quality": run.quality,
            "notes": list(run.notes),
        }
        return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _measured(run: RunView, row: Result, specs: Sequence[MetricSpec]) -> dict[str, object]:
    quality = run.quality.get(row.network, {})
    closed_set_and_cost = [*metrics_of("closed-set"), *metrics_of("cost")]
    return (
        {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
        | {"scoring": row.scoring.upsample, "resize": row.scoring.resize}
        | {"protocol": row.protocol.name, "seed": row.seed, "origin": "measured"}
        | run.requirements(row).model_dump()
        | {spec.name: spec.read(row, quality) for spec in specs}
        | _bounds(row)
        | row.counts
        | {spec.name: spec.read(row, quality) for spec in closed_set_and_cost}
    )


def _published(row: PublishedResult) -> dict[str, object]:
    return (
        {"network": row.network, "method": row.method, "label": row.method, "benchmark": row.benchmark}
        | {"protocol": row.protocol, "origin": "published", "source": row.source, "confirmed": row.confirmed}
        | row.requirements.model_dump()
        | row.metrics
    )


def _bounds(row: Result) -> dict[str, object]:
    if row.intervals is None:
        return {}
    ends: dict[str, object] = {
        f"{metric}_{name}": value
        for metric, bounds in row.intervals.bounds.items()
        for name, value in zip(("low", "high"), bounds, strict=True)
    }
    method = {"interval_level": row.intervals.level, "interval_method": row.intervals.method}
    return ends | method | {"interval_unit": row.intervals.unit, "interval_resamples": row.intervals.resamples}
