"""The intervals of a result's metrics, and the significance of differences between results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oodbench.frozen_record import FrozenRecord


class Intervals(FrozenRecord):
    """Intervals of a result's metrics, from resampled frames or groups of frames.

    Attributes:
        level: Nominal coverage of the intervals.
        method: `percentile` or `bca`.
        unit: The resampled unit; `groups` are the frames of one scene together.
        units: Number of units.
        resamples: Number of resamples.
        bounds: Maps each metric with an interval to (low, high), as fractions.
        undefined: Maps each metric without an interval to the reason.

    Examples:
        >>> from oodbench.contracts import Intervals
        >>> intervals = Intervals(
        ...     level=0.95, method="percentile", unit="frames", units=60, resamples=2000, bounds={"AP": (0.381, 0.502)},
        ...     undefined={},
        ... )
        >>> intervals.text("AP"), intervals.title
        ('[38.1, 50.2]', '95 % intervals (percentile, 2000 resamples of frames)')
    """

    level: float
    method: Literal["percentile", "bca"]
    unit: Literal["frames", "groups"]
    units: int
    resamples: int
    bounds: dict[str, tuple[float, float]]
    undefined: dict[str, str]

    def text(self, metric: str) -> str:
        """Return an interval as `[38.1, 50.2]`, in percent; empty if the metric has none.

        Args:
            metric: Name of the metric.
        """
        if metric not in self.bounds:
            return ""
        low, high = self.bounds[metric]
        return f"[{100 * low:.1f}, {100 * high:.1f}]"

    @property
    def title(self) -> str:
        """The level, method and number of resamples, in words."""
        return f"{100 * self.level:g} % intervals ({self.method}, {self.resamples} resamples of {self.unit})"


@dataclass(frozen=True)
class Difference:
    """The difference in one metric between two results.

    Attributes:
        value: The second result's metric minus the first's, as a fraction.
        bounds: Its interval at level 0.95; None if it is undefined.
        p: Two-sided bootstrap p-value, not corrected.

    Examples:
        >>> from oodbench.contracts import Difference
        >>> Difference(value=0.031, bounds=(0.012, 0.05), p=0.002).value
        0.031
    """

    value: float
    bounds: tuple[float, float] | None
    p: float


@dataclass(frozen=True)
class ComparedMethod:
    """One line of a table that compares results.

    Attributes:
        network: Name of the network.
        label: The method with the parameters that differ from the defaults.
        value: The metric, as a fraction.
        bounds: The interval of the metric.
        rank: The rank; None in tables against a chosen reference and in tables of two runs.
        difference: The difference to the reference, or of the second run to the first; None for the reference itself.
        corrected: The p-value with Holm's correction over the table.
        significant: Whether `corrected` is below 0.05.
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
    """The comparison of methods in one metric on one benchmark, as `oodbench.compare` returns it.

    Attributes:
        benchmark: Name of the benchmark.
        protocol: Name of the protocol.
        metric: Name of the metric.
        unit: The resampled unit, `frames` or `groups`.
        units: Number of units.
        resamples: Number of resamples.
        reference: The entry that differences refer to; `first run` if two runs are compared.
        comparisons: Number of comparisons for which p-values are corrected.
        entries: Entries from the best; for two runs in the order of the results, with the values of the second run.
        left_out: Results that can't be in the table, with the reason.
        apart: Significantly different pairs, as indices into `entries` with the better one first. Empty unless all
            pairs were compared.
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
