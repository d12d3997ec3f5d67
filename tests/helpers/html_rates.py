"""Expected rates of the page's slider, from the stored scores at full resolution."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
import pytest

from oodbench.contracts import Result, RunView
from oodbench.types import ANOMALY, IN_DISTRIBUTION
from tests.helpers.browser import Page

_SHOWN = """
return {
  frame: benchmark().frames[chosen.frame].id,
  names: benchmark().methods.map((one) => one.name),
  thresholds: benchmark().methods.map((one, index) => one.edges[chosen.level[index] - 1]),
  stated: Number(document.querySelector("#threshold-text data").value),
  chosen: chosen.method,
  values: [...document.querySelectorAll("#rates tbody tr")].map(
    (row) => [...row.querySelectorAll("data")].map((one) => [Number(one.value), one.textContent])),
};
"""


def assert_rates(page: Page, run: RunView, rows: dict[str, Result], levels: Iterable[int]) -> None:
    """Assert that each method's rates at each level of the slider are those of the stored scores."""
    for level in levels:
        page.set("#threshold", level)
        shown = page.run(_SHOWN)
        assert shown["stated"] == shown["thresholds"][shown["chosen"]]
        benchmark = rows[shown["names"][0]].benchmark
        for name, threshold, values in zip(shown["names"], shown["thresholds"], shown["values"], strict=True):
            frames = [_count_pixels(run, rows[name], frame, threshold) for frame in run.frames(benchmark)]
            own = frames[list(run.frames(benchmark)).index(shown["frame"])]
            for counts, part in ((own, values[:3]), (np.sum(frames, axis=0), values[3:])):
                expected = _compute_rates(counts)
                found = [math.nan if value is None else value for value, _ in part]
                assert found == [pytest.approx(value, rel=1e-12, nan_ok=True) for value in expected]
                printed = ["–" if math.isnan(value) else _round(100 * value) for value in expected[:2]]
                assert [text for _, text in part[:2]] == printed
                assert part[2][1].startswith(f"{expected[2]:,}")


def _count_pixels(run: RunView, row: Result, frame: str, threshold: float) -> Any:
    labels = run.labels(row.benchmark, frame)
    assert labels is not None
    above = run.score(row, frame) >= np.float32(threshold)
    anomalous, ordinary = labels.values == ANOMALY, labels.values == IN_DISTRIBUTION
    return np.array([(above & anomalous).sum(), (above & ordinary).sum(), anomalous.sum()])


def _compute_rates(counts: Any) -> tuple[float, float, int]:
    found, wrong, anomalous = (int(count) for count in counts)
    return found / (found + wrong) if found + wrong else math.nan, found / anomalous, wrong


def _round(value: float) -> str:
    """Return a number with one decimal, as toFixed of JavaScript rounds it: half up."""
    return str(Decimal(value).quantize(Decimal("0.1"), ROUND_HALF_UP))
