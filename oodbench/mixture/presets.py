"""Options of an online mixture, and presets for the released code of GMMSeg and for the text of its paper.

Liang, Wang, Miao, Yang, "GMMSeg: Gaussian Mixture based Generative Semantic Segmentation Models", NeurIPS 2022.
`AUTHORS` is the arithmetic of the released head (github.com/leonnnop/GMMSeg). `PAPER` is our reading of the text.
Comments mark our choices if the text is not specific.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class OnlineOptions:
    """Estimation and scoring options of an online mixture.

    Attributes:
        class_score: `max` for the largest component's log-density, `sum` for the log of the mixture with equal weights.
        normalised_scores: Whether a learned LayerNorm over the classes is applied between class scores and softmax.
        unit_means: Whether means are normalised to unit length before each use.
        epsilon: Temperature of the balanced assignment.
        scaled: Whether log-densities are divided by their largest absolute value per class before the assignment.
        joined: Whether the assignment is balanced over the points of all ranks, instead of per rank.
        hard: Whether each point is assigned to its best component only, with one memory per component. Otherwise one
            memory per class holds points with their shares.
        correct_only: Whether only correctly classified points enter the memory.
        spaced: Whether surplus points are subsampled at even spacing in their order. Otherwise they are sampled at
            random.
        samples: Maximum number of points that enter per component and step.
        memory: Number of points kept per component (hard) or per class.
        random_start: Whether the memory starts full of random unit vectors that count. Otherwise it starts empty.
        mean_momentum, spread_momentum: Momentum of the moving averages of means and variances.
        unit_estimate: Whether means move toward the unit vector along the sum of the memory, and the variance is taken
            around it. Otherwise both use the mean of the memory.
        averaged: Quantity that the moving average of the spread applies to, `deviation` or `variance`.
        ridge: Value added to each estimated variance.
        interval: Number of steps between two estimations, starting with the first step.
        void_counts: Whether void pixels count, as zero, in the mean of the segmentation loss.
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
