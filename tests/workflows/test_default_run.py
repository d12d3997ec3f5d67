"""The contents of the default run: its frames, methods, figures and tables, and the columns of its tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import oodbench
from oodbench.planning.plan import make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry

pytestmark = pytest.mark.slow

SCORERS = [
    ("streets-gmmseg", "Entropy"),
    ("streets-gmmseg", "GMMSeg"),
    ("streets-gmmseg", "GMMSeg (normalised)"),
    ("streets-gmmseg", "kNN"),
    ("streets-gmmseg", "MSP"),
    ("streets-softmax", "Entropy"),
    ("streets-softmax", "kNN"),
    ("streets-softmax", "MSP"),
]
BENCHMARKS = ["streets-anomaly", "streets-obstacles", "streets-static"]
FIGURES = [f"heatmaps-{benchmark}-{network}" for benchmark in BENCHMARKS for network in (1, 2)]
FILES = [f"{name}.{ending}" for name in FIGURES for ending in ("pdf", "png")]
FILES += [f"table.{ending}" for ending in ("csv", "md", "tex", "txt")]
COLUMNS = [
    "network", "method", "label", "benchmark", "scoring", "resize", "protocol", "seed", "origin", "retraining",
    "extra_network", "ood_data", "AP", "FPR95", "AUROC", "AP_low", "AP_high", "FPR95_low", "FPR95_high",
    "AUROC_low", "AUROC_high", "interval_level", "interval_method", "interval_unit", "interval_resamples",
    "frames", "frames_without_anomaly", "anomaly_pixels", "in_distribution_pixels", "void_pixels",
    "expected_frames", "mIoU", "ECE", "forward_ms", "summary_ms", "score_ms", "method_ms", "fit_s",
    "peak_memory_mb",
]  # fmt: skip


def name_frames(split: str) -> list[str]:
    return [f"{split}-{index:04d}" for index in range(10)]


def test_the_default_run_has_these_frames_and_methods() -> None:
    record = make_plan(Request.of(), Registry(), Silent()).record
    assert [(scorer.network, scorer.label) for scorer in record.scorers] == SCORERS
    frames = {part.name: [frame.id for frame in part.frames] for part in record.benchmarks}
    assert frames == {name: name_frames(name.removeprefix("streets-")) for name in BENCHMARKS}
    assert record.protocol_names == ("pooled",)
    for part, split, count in ((record.fit, "train", 2000), (record.calibrate, "val", 300)):
        assert part is not None
        assert (part.name, part.split) == ("streets-train", split)
        indices = np.linspace(0, count - 1, 10).round().astype(int)
        assert [frame.id for frame in part.frames] == [f"{split}-{index:04d}" for index in indices]


def test_the_default_run_has_these_figures_and_tables(tmp_path: Path) -> None:
    run = oodbench.run(limit=5, id_limit=1, out=tmp_path / "run")
    report = tmp_path / "run" / "report"
    assert sorted(path.name for path in report.iterdir()) == sorted(FILES)
    with (report / "table.csv").open(newline="", encoding="utf-8") as file:
        heading, *lines = csv.reader(file)
    assert heading == COLUMNS
    expected = [(network, label, benchmark) for benchmark in BENCHMARKS for network, label in SCORERS]
    assert sorted((line[0], line[2], line[3]) for line in lines) == sorted(expected)
    assert [len(run.frames(name)) for name in BENCHMARKS] == [5, 5, 5]
