"""Regimes of anomalies: anomalous share of a frame, number and position of objects, modelled on public benchmarks.

Each regime follows distributions measured on the labels of the dataset that it mimics: the share of a frame, the number
of objects, and the height of their centres. The values sampled here are targets. Occlusion by nearer objects reduces
the visible share, so some targets are adjusted such that the visible values are close to the measured ones.
docs/explanation/streets.md compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oodbench.worlds.dice import Dice


@dataclass(frozen=True)
class Statistics:
    """Target distributions of a regime.

    Attributes:
        empty: Share of the frames without any anomaly.
        shares: Quantiles of the anomalous share of a frame with anomalies: (level, share), levels from 0 to 1.
        counts: Number of objects in a frame with anomalies: (number, weight).
        spread: Maximum ratio of sizes within a frame.
        heights: Quantiles of the row of an object's centre as a share of the image height: (level, height).
    """

    empty: float
    shares: Sequence[tuple[float, float]]
    counts: Sequence[tuple[int, float]]
    spread: float
    heights: Sequence[tuple[float, float]]


# Fishyscapes Lost & Found, validation: shares 0.004 / 0.066 / 1.41 % at the levels 0.05 / 0.5 / 0.95, objects
# 1 / 2 / 3, heights 0.42 / 0.47 / 0.70; 1 of 100 frames without an anomaly.
OBSTACLES = Statistics(
    empty=0.01,
    shares=((0, 2e-5), (0.05, 4e-5), (0.5, 6.6e-4), (0.95, 1.41e-2), (1, 2.2e-2)),
    counts=((1, 0.32), (2, 0.42), (3, 0.26)),
    spread=8.0,
    heights=((0, 0.41), (0.05, 0.42), (0.5, 0.455), (0.95, 0.70), (1, 0.8)),
)

# Fishyscapes Static, validation: shares 0 / 0.95 / 4.03 %, objects 0 / 1 / 5, heights 0.49 / 0.64 / 0.76, a third of
# the frames without an anomaly; the levels below refer to the other two thirds.
STATIC = Statistics(
    empty=1 / 3,
    shares=((0, 1e-3), (0.05, 4e-3), (0.25, 1.2e-2), (0.925, 4.6e-2), (1, 7e-2)),
    counts=((1, 0.30), (2, 0.22), (3, 0.16), (4, 0.12), (6, 0.10), (8, 0.10)),
    spread=20000.0,
    heights=((0, 0.42), (0.05, 0.49), (0.5, 0.64), (0.95, 0.76), (1, 0.84)),
)

# Road Anomaly: shares 0.79 / 6.62 / 31.5 %, objects 1 / 2 / 18, heights 0.39 / 0.66 / 0.90.
ANOMALY = Statistics(
    empty=0.0,
    shares=((0, 4e-3), (0.05, 7.9e-3), (0.5, 7e-2), (0.95, 3.4e-1), (1, 4.4e-1)),
    counts=((1, 0.32), (2, 0.20), (3, 0.12), (5, 0.10), (8, 0.08), (12, 0.06), (22, 0.06), (32, 0.06)),
    spread=2000.0,
    heights=((0, 0.36), (0.05, 0.39), (0.5, 0.66), (0.95, 0.90), (1, 0.94)),
)


@dataclass(frozen=True)
class Target:
    """Target of one object: its share of the frame's pixels, and the height of its centre."""

    share: float
    height: float


def sample_targets(statistics: Statistics, dice: Dice) -> list[Target]:
    """Sample the objects of a frame; larger objects tend to be lower in the image."""
    if dice.chance(statistics.empty):
        return []
    total = _interpolate_quantile(statistics.shares, dice.uniform(0, 1), logarithmic=True)
    count = dice.weighted(statistics.counts)
    sizes = np.exp(np.log(statistics.spread) * dice.uniforms(count))
    shares = np.sort(total * sizes / sizes.sum())
    levels = np.sort(dice.uniforms(count))
    # The order is neither strictly by size nor random: a distant object may be large.
    for index in range(count - 1):
        if dice.chance(0.35):
            other = dice.integer(0, count - 1)
            levels[[index, other]] = levels[[other, index]]
    return [
        Target(float(share), _interpolate_quantile(statistics.heights, float(level)))
        for share, level in zip(shares, levels, strict=True)
    ]


def _interpolate_quantile(points: Sequence[tuple[float, float]], level: float, *, logarithmic: bool = False) -> float:
    levels, values = np.array(points).T
    if logarithmic:
        return float(np.exp(np.interp(level, levels, np.log(values))))
    return float(np.interp(level, levels, values))
