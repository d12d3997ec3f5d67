"""Data of each scorer on a benchmark: score levels, their colours, and thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Calibration, Result, RunView
from oodbench.metrics import POOLED
from oodbench.metrics.counting.quantized_scores import LEVELS, ScoreLevels, choose_levels
from oodbench.reports.html.score_pool import ScorePool, collect_pool
from oodbench.types import AnomalyLabels
from oodbench.visualization.colormap import RAREST, compute_colour_position

# Maximum number of evenly spaced frames on whose maps levels are chosen.
_FRAMES = 32

# Number of levels that start at even steps of the colour scale, in addition to those chosen for the curve.
_COLOURED = 60


@dataclass(frozen=True)
class OperatingPoint:
    """A named threshold.

    Attributes:
        name: `calibrated`, `test`, or `f1`.
        title: Description of how it was chosen.
        level: First level above the threshold.
    """

    name: str
    title: str
    level: int


@dataclass(frozen=True)
class PageScorer:
    """A method on a network.

    Attributes:
        row: One of its results on the benchmark.
        name: Its label, with the network's name if there are several networks.
        levels: Levels of its scores.
        position: float [256], the position of each level on the colour scale, 0 to 4.
        operating: Named thresholds, starting with the page's initial threshold.
        source: Source of the calibration; empty without calibration.
        counts: uint32 [F, 2, 256], in-distribution and anomalous pixels of each frame per level; None if they are
            counted from stored maps.
    """

    row: Result
    name: str
    levels: ScoreLevels
    position: NDArray[np.float64]
    operating: tuple[OperatingPoint, ...]
    source: str
    counts: NDArray[np.uint32] | None = None

    def record(self) -> dict[str, Any]:
        """Return the data for the page's scripts."""
        return {
            "name": self.name,
            "label": self.row.label,
            "network": self.row.network,
            "digest": self.row.digests.get("scores", ""),
            "edges": self.levels.edges.tolist(),
            "position": self.position.round(4).tolist(),
            "operating": [{"name": o.name, "title": o.title, "level": o.level} for o in self.operating],
        }


def collect_scorers(run: RunView, benchmark: str) -> list[PageScorer]:
    """Collect the scorers of a benchmark of which some scores are stored, as maps or as counts in bins."""
    rows: dict[tuple[str, str], Result] = {}
    for row in run.results:  # with several protocols, a method has several results but one map
        key = (row.label, row.network)
        if row.benchmark == benchmark and (key not in rows or run.breakdown(rows[key]) is None):
            rows[key] = row
    several = len({network for _, network in rows}) > 1
    frames = run.frames(benchmark)
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(_FRAMES, len(frames))).round().astype(int))
    sample = {frames[index]: run.labels(benchmark, frames[index]) for index in chosen}
    candidates = (
        _make_scorer(run, row, f"{row.label} / {row.network}" if several else row.label, sample)
        for row in rows.values()
    )
    return [scorer for scorer in candidates if scorer is not None]


def _make_scorer(run: RunView, row: Result, name: str, sample: Mapping[str, AnomalyLabels | None]) -> PageScorer | None:
    pool, calibration = collect_pool(run, row, sample), run.calibration(row)
    if pool is None:
        return None
    coloured = _choose_colour_steps(calibration, pool.ends)
    chosen = [
        (name, title, float(pool.snap(np.array([score]))[0])) for name, title, score in _list_thresholds(run, row, pool)
    ]
    wanted = np.concatenate([pool.snap(coloured), [score for *_, score in chosen]])
    levels = choose_levels(pool.points, pool.positive, pool.negative, wanted)
    position = np.zeros(LEVELS)
    # Without calibration, colours span the percentiles of the benchmark's in-distribution pixels.
    position[1 : levels.edges.size + 1] = compute_colour_position(levels.edges, calibration, pool.ends)
    position[levels.edges.size + 1 :] = RAREST  # no pixel has these levels
    return PageScorer(
        row,
        name,
        levels,
        position,
        tuple(OperatingPoint(name, title, levels.at(score)) for name, title, score in chosen),
        "" if calibration is None else calibration.source,
        pool.count_levels(levels),
    )


def _choose_colour_steps(calibration: Calibration | None, ends: tuple[float, float]) -> NDArray[np.float64]:
    """Return the scores at even steps of the colour scale."""
    if calibration is None:
        return np.linspace(*ends, _COLOURED)
    shares = 1 - 10.0 ** -np.linspace(0, RAREST, _COLOURED)
    return np.array([calibration.score_at(share) for share in shares])


def _list_thresholds(run: RunView, row: Result, pool: ScorePool) -> Sequence[tuple[str, str, float]]:
    """List name, title and score of the thresholds of the breakdown; without a breakdown, the best F1 of the pool."""
    breakdown = run.breakdown(row)
    if breakdown is not None:
        thresholds = sorted(breakdown.thresholds, key=lambda threshold: threshold.name)  # calibrated, then test
        return [(threshold.name, threshold.title, threshold.score) for threshold in thresholds]
    if pool.positive:
        whole = "all frames" if pool.binned is not None else "a sample of the benchmark"
        return [("f1", f"best pixel-wise F1 on {whole}", pool.best_f1_threshold(POOLED.tpr))]
    return []
