"""What the pipeline's tests share: a run on small real files, and networks that count or break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oodbench.runs.run import Run
from oodbench.workflows.run import run


def small_run(network: Path, data: Path, out: Path | None, **options: Any) -> Run:
    """All methods on Road Anomaly's three frames, with Cityscapes beside them."""
    settings: dict[str, Any] = {
        "models": [network],
        "data": [data],
        "benchmarks": ["road-anomaly"],
        "out": out,
        "stop_after": "evaluate",
    }
    return run(**(settings | options))


def numbers(run: Run) -> list[tuple[Any, ...]]:
    """What must be the same to the last digit: who, the metrics, and the digest of every stored score."""
    return [
        (row.method, row.benchmark, dict(row.metrics), dict(row.counts), row.digests["scores"]) for row in run.results
    ]
