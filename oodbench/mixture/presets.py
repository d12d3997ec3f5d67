"""What an online mixture does where the released code of GMMSeg and the mathematics of its paper part.

Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models", NeurIPS 2022.
`AUTHORS` is the arithmetic of the released head (github.com/leonnnop/GMMSeg). `PAPER` is our reading of the text; where
the text leaves room the choice is marked as ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OnlineOptions:
    """How an online mixture is estimated and read.

    Attributes:
        class_score: `max`: the largest component's log-density; `sum`: log of the mixture with equal weights.
        normalised_scores: a learned LayerNorm over the classes stands between the class scores and the softmax.
        unit_means: means are brought to unit length before each use.
        epsilon: temperature of the balanced assignment.
        scaled: log-densities are divided, class by class, by the largest absolute value before they are assigned.
        joined: of several ranks the assignment is balanced over the points of all; else each rank's by itself.
        hard: each point goes wholly to its largest component, in a memory of its own; else one memory a class holds
            points with their shares.
        correct_only: only points that the head classifies right enter the memory.
        spaced: of too many points those at even spacing are taken, in the order in which they came; else any.
        samples: points that enter at most for each component and step.
        memory: points that are kept for each component (hard) or each class.
        random_start: the memory starts full of random unit vectors that count; else it starts empty.
        mean_momentum, spread_momentum: of the moving averages.
        unit_estimate: means move toward the unit vector along the sum of the memory, and the spread is taken around
            it; else both use the memory's mean.
        averaged: what the moving average of the spread is of: `deviation` or `variance`.
        ridge: added to each estimated variance.
        interval: steps from one estimation to the next, from the first step on.
        void_counts: void pixels count in the mean of the segmentation loss, as zero.
    """

    class_score: Literal["max", "sum"]
    normalised_scores: bool
    unit_means: bool
    epsilon: float
    scaled: bool
    joined: bool
    hard: bool
    correct_only: bool
    spaced: bool
    samples: int
    memory: int
    random_start: bool
    mean_momentum: float
    spread_momentum: float
    unit_estimate: bool
    averaged: Literal["deviation", "variance"]
    ridge: float
    interval: int
    void_counts: bool


AUTHORS = OnlineOptions(
    class_score="max",
    normalised_scores=True,
    unit_means=True,
    epsilon=0.05,
    scaled=True,
    joined=False,
    hard=True,
    correct_only=True,
    spaced=True,
    samples=20,
    memory=32_000,
    random_start=True,
    mean_momentum=0.999,
    spread_momentum=0.0,
    unit_estimate=True,
    averaged="deviation",
    ridge=0.01,
    interval=5,
    void_counts=True,
)

PAPER = OnlineOptions(
    class_score="sum",
    normalised_scores=False,
    unit_means=False,
    epsilon=1.0,  # ours: the temperature of the likelihood itself
    scaled=False,
    joined=True,
    hard=False,
    correct_only=False,
    spaced=False,
    samples=20,
    memory=32_000,
    random_start=False,
    mean_momentum=0.999,
    spread_momentum=0.999,
    unit_estimate=False,
    averaged="variance",
    ridge=0.01,
    interval=1,
    void_counts=False,
)

PRESETS: Mapping[str, OnlineOptions] = {"authors": AUTHORS, "paper": PAPER}
