"""How much of a frame is anomalous, in how many pieces, and where: after the public benchmarks.

Each regime follows the distributions measured on the labels of the data set that it mimics: the share of a frame, the
number of objects, the height at which they stand. What is drawn here are targets: nearer things hide parts of objects,
and objects each other, so that some of them lie beside the measured figure for what is seen to lie near it.
docs/streets.md sets what is seen beside what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oodbench.worlds.dice import Dice


@dataclass(frozen=True)
class Statistics:
    """Targets of a regime.

    Attributes:
        empty: share of the frames without any anomaly.
        shares: quantiles of the anomalous share of a frame that has one: (level, share), levels from 0 to 1.
        counts: objects in a frame that has one: (number, weight).
        spread: within a frame sizes differ by up to this factor.
        heights: quantiles of the height of an object's centre, 0 the top of the picture: (level, height).
    """

    empty: float
    shares: Sequence[tuple[float, float]]
    counts: Sequence[tuple[int, float]]
    spread: float
    heights: Sequence[tuple[float, float]]


# Fishyscapes Lost & Found, validation: shares .004 / .066 / 1.41 % at the levels .05 / .5 / .95, objects 1 / 2 / 3,
# heights .42 / .47 / .70; 1 of 100 frames without an anomaly.
OBSTACLES = Statistics(
    empty=0.01,
    shares=((0, 2e-5), (0.05, 4e-5), (0.5, 6.6e-4), (0.95, 1.41e-2), (1, 2.2e-2)),
    counts=((1, 0.32), (2, 0.42), (3, 0.26)),
    spread=8.0,
    heights=((0, 0.41), (0.05, 0.42), (0.5, 0.455), (0.95, 0.70), (1, 0.8)),
)

# Fishyscapes Static, validation: shares 0 / .95 / 4.03 %, objects 0 / 1 / 5, heights .49 / .64 / .76, a third of the
# frames without an anomaly; the levels here are those among the other two thirds.
STATIC = Statistics(
    empty=1 / 3,
    shares=((0, 1e-3), (0.05, 4e-3), (0.25, 1.2e-2), (0.925, 4.6e-2), (1, 7e-2)),
    counts=((1, 0.30), (2, 0.22), (3, 0.16), (4, 0.12), (6, 0.10), (8, 0.10)),
    spread=20000.0,
    heights=((0, 0.42), (0.05, 0.49), (0.5, 0.64), (0.95, 0.76), (1, 0.84)),
)

# Road Anomaly: shares .79 / 6.62 / 31.5 %, objects 1 / 2 / 18, heights .39 / .66 / .90.
ANOMALY = Statistics(
    empty=0.0,
    shares=((0, 4e-3), (0.05, 7.9e-3), (0.5, 7e-2), (0.95, 3.4e-1), (1, 4.4e-1)),
    counts=((1, 0.32), (2, 0.20), (3, 0.12), (5, 0.10), (8, 0.08), (12, 0.06), (22, 0.06), (32, 0.06)),
    spread=2000.0,
    heights=((0, 0.36), (0.05, 0.39), (0.5, 0.66), (0.95, 0.90), (1, 0.94)),
)


@dataclass(frozen=True)
class Target:
    """What one object aims at: its share of the frame's pixels, and the height of its centre."""

    share: float
    height: float


def sample_targets(statistics: Statistics, dice: Dice) -> list[Target]:
    """The objects of a frame; larger ones stand lower."""
    if dice.chance(statistics.empty):
        return []
    total = _interpolate_quantile(statistics.shares, dice.uniform(0, 1), logarithmic=True)
    count = dice.weighted(statistics.counts)
    sizes = np.exp(np.log(statistics.spread) * dice.uniforms(count))
    shares = np.sort(total * sizes / sizes.sum())
    levels = np.sort(dice.uniforms(count))
    # Neither wholly by size nor at random: a far object may be large.
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
