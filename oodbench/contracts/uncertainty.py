"""What a row says of its own uncertainty."""

from __future__ import annotations

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
