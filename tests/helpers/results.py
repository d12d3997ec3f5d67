"""Handmade results, and the result.json that contains them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oodbench.contracts.result import content_digest

Document = dict[str, Any]


def row(ap: float | None = 0.5, fpr95: float | None = 0.25, auroc: float | None = 0.75, **fields: Any) -> Document:
    """Return a result as in result.json: MSP on the network `tiny` and road-anomaly."""
    metrics = {"AP": ap, "FPR95": fpr95, "AUROC": auroc}
    return {
        "schema_version": 2,
        "method": "msp",
        "params": {},
        "label": "MSP",
        "network": "tiny",
        "benchmark": "road-anomaly",
        "layout": "official",
        "scoring": {"upsample": "logits", "resize": "bilinear"},
        "protocol": {"name": "pooled", "source": "a text", "tpr": 0.95},
        "metrics": metrics,
        "undefined": {name: "no anomaly in any frame" for name, value in metrics.items() if value is None},
        "counts": {"frames": 3, "expected_frames": 60},
        "fit": {},
        "cost": {"forward_ms": 7.5, "peak_memory_mb": 400.0},
        "environment": {"processor": "of this machine"},
        "seed": 0,
        "digests": {"network": "1" * 64, "data": "2" * 64, "scores": "3" * 64},
        "warnings": [],
    } | fields


def write_result(folder: Path, rows: Sequence[Document]) -> Path:
    """Write a run's folder that contains only result.json."""
    folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Document]] = {}
    for each in rows:
        results.setdefault(each.get("protocol", {}).get("name", "pooled"), []).append(each)
    content = {"schema_version": 2, "plan": "4" * 64, "results": results, "failed": [], "skipped": [], "quality": {}}
    write_content(folder, content)
    return folder


def write_content(folder: Path, content: Document) -> None:
    """Write result.json with the digest of its content."""
    (folder / "result.json").write_text(json.dumps(content | {"digest": content_digest(content)}))


def results_of(content: Document) -> list[Document]:
    """Return the results of all protocols in the content of a result.json."""
    return [result for results in content["results"].values() for result in results]
