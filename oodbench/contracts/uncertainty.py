"""What a row says of its own uncertainty, and which differences between rows are more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Intervals(BaseModel):
    """Intervals of a row's metrics, by resampling frames or groups of frames.

    Attributes:
        level: how often such intervals are meant to hold the truth.
        method: `percentile` or `bca`.
        unit: what was resampled; `groups` are the frames of one scene together.
        units: how many there are.
        resamples: how often they were resampled.
        bounds: metric -> (low, high), as fractions; those that are defined.
        undefined: metric -> why it has no interval.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: float
    method: Literal["percentile", "bca"]
    unit: Literal["frames", "groups"]
    units: int
    resamples: int
    bounds: dict[str, tuple[float, float]]
    undefined: dict[str, str]

    def text(self, metric: str) -> str:
        """`[38.1, 50.2]`, percent; empty where there is none."""
        if metric not in self.bounds:
            return ""
        low, high = self.bounds[metric]
        return f"[{100 * low:.1f}, {100 * high:.1f}]"

    @property
    def title(self) -> str:
        """How they were made, in words."""
        return f"{100 * self.level:g} % intervals ({self.method}, {self.resamples} resamples of {self.unit})"


@dataclass(frozen=True)
class Difference:
    """Of one metric, between two.

    Attributes:
        value: the second less the first, a fraction.
        bounds: its interval at level .95; None where it can't be had.
        p: two-sided, not corrected.
    """

    value: float
    bounds: tuple[float, float] | None
    p: float


@dataclass(frozen=True)
class ComparedMethod:
    """One line of a table that compares rows.

    Attributes:
        network, label: of the row.
        value: the metric, a fraction.
        bounds: its interval.
        rank: None in tables against a chosen reference and of two runs.
        difference: to the reference, or of the second run to the first; None for the reference itself.
        corrected: its p, corrected by Holm over the table.
        significant: whether that is below .05.
    """

    network: str
    label: str
    value: float
    bounds: tuple[float, float] | None
    rank: int | None
    difference: Difference | None
    corrected: float | None
    significant: bool


@dataclass(frozen=True)
class MethodComparison:
    """One metric on one benchmark.

    Attributes:
        benchmark, protocol, metric: names.
        unit: what was resampled, `frames` or `groups`, and `units` how many.
        resamples: how often.
        reference: what differences are to; `first run` where two runs are compared.
        comparisons: the number that p is corrected for.
        entries: from the best; of two runs in the order of the rows, the values those of the second.
        left_out: rows that can't be in the table, with the reason.
        apart: where all pairs were compared, those that chance does not explain, as places in `entries`, the better
            one first.
    """

    benchmark: str
    protocol: str
    metric: str
    unit: Literal["frames", "groups"]
    units: int
    resamples: int
    reference: str
    comparisons: int
    entries: tuple[ComparedMethod, ...]
    left_out: tuple[str, ...]
    apart: tuple[tuple[int, int], ...] = ()
