"""Runs on small files, shared by tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oodbench.runs.run import Run
from oodbench.workflows.run import run


def small_run(network: Path, data: Path, out: Path | None, **options: Any) -> Run:
    """Run methods on the three frames of Road Anomaly, with Cityscapes as the in-distribution dataset."""
    settings: dict[str, Any] = {
        "models": [network],
        "data": [data],
        "benchmarks": ["road-anomaly"],
        "out": out,
        "stop_after": "evaluate",
    }
    return run(**(settings | options))


def numbers(run: Run) -> list[tuple[Any, ...]]:
    """Return everything that must be bit-identical: identity, metrics and digest of the scores of each result."""
    return [
        (row.method, row.benchmark, dict(row.metrics), dict(row.counts), row.digests["scores"]) for row in run.results
    ]
