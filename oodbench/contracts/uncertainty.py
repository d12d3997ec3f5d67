"""The intervals and brackets of a result's metrics, and the significance of differences between results.

Intervals are estimates from resampled frames. Brackets are guaranteed bounds of a metric that was computed from
histograms of the scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from oodbench.frozen_record import FrozenRecord
from oodbench.text import Name, Note

Bracket: TypeAlias = tuple[float, float]
"""A lower and an upper bound of a metric, as fractions. The exact value is between them."""

WIDEST_BRACKET = 1e-4
"""The width, as a fraction, above which a bracket causes a warning of its result."""


def warn_of_wide_brackets(label: str, benchmark: str, brackets: Mapping[str, Bracket]) -> list[str]:
    """Warn if brackets of a result are wider than `WIDEST_BRACKET`.

    Args:
        label: Label of the method.
        benchmark: Name of the benchmark.
        brackets: Maps each metric to its bracket.

    Returns:
        One warning for the result, or none.

    Examples:
        >>> from oodbench.contracts import warn_of_wide_brackets
        >>> warn_of_wide_brackets("MSP", "streets-anomaly", {"AP": (0.30936, 0.30944)})
        []
    """
    widths = {name: high - low for name, (low, high) in brackets.items()}
    wide = [f"{name} to {width:.2g}" for name, width in widths.items() if width > WIDEST_BRACKET]
    if not wide:
        return []
    return [
        f"{label}: on {benchmark}, histograms determine {', '.join(wide)} only; expected {WIDEST_BRACKET:g} or less: "
        "use a larger --memory for exact results"
    ]


class Intervals(FrozenRecord):
    """Bootstrap confidence intervals of a result's metrics, from resampled frames or groups of frames.

    Attributes:
        level: Nominal coverage of the intervals.
        method: `percentile` or `bca` (corrected for bias and for a spread that grows with the value).
        unit: The resampled units: `frames`, or `groups` of frames, such as those of one scene.
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
    bounds: dict[Name, tuple[float, float]]
    undefined: dict[Name, Note]

    def text(self, metric: str) -> str:
        """Return the interval of a metric as `[38.1, 50.2]`, in percent; empty if the metric has none.

        Args:
            metric: Name of the metric.
        """
        if metric not in self.bounds:
            return ""
        low, high = self.bounds[metric]
        return f"[{100 * low:.1f}, {100 * high:.1f}]"

    @property
    def title(self) -> str:
        """The level, the method and the number of resamples, as a text."""
        return f"{100 * self.level:g} % intervals ({self.method}, {self.resamples} resamples of {self.unit})"


@dataclass(frozen=True)
class Difference:
    """The difference in one metric between two results.

    Attributes:
        value: The metric of the second result minus that of the first, as a fraction.
        bounds: The interval of the difference at level 0.95; None if it is undefined.
        p: Two-sided bootstrap p-value, not corrected for the number of comparisons.

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
    """One line of a `MethodComparison`, a table that compares methods or runs.

    Attributes:
        network: Name of the network.
        label: Name of the method, with the parameters that differ from the defaults.
        value: The metric, as a fraction; the midpoint of its bracket if it has one.
        bounds: The interval of the metric; None if it is undefined.
        rank: One more than the number of methods that are significantly better. None if methods are compared with a
            chosen reference, or if two runs are compared.
        difference: The difference to the reference, or between the second run and the first; None for the reference
            itself.
        corrected: The p-value of the difference with Holm's correction for all comparisons of the table; None for the
            reference itself.
        significant: Whether `corrected` is below 0.05.
        bracket: The guaranteed bounds of a metric that was computed from histograms; None if the value is exact.
    """

    network: str
    label: str
    value: float
    bounds: tuple[float, float] | None
    rank: int | None
    difference: Difference | None
    corrected: float | None
    significant: bool
    bracket: Bracket | None = None


@dataclass(frozen=True)
class MethodComparison:
    """The comparison of methods in one metric on one benchmark, as `oodbench.compare` returns it.

    Attributes:
        benchmark: Name of the benchmark.
        protocol: Name of the protocol, the rules that turn scores into metrics.
        metric: Name of the metric.
        unit: The resampled units: `frames`, or `groups` of frames, such as those of one scene.
        units: Number of units.
        resamples: Number of resamples.
        reference: The method and network to which differences refer: the chosen reference, or the best line if all
            pairs are compared. `first run` if two runs are compared.
        comparisons: Number of comparisons for which the p-values are corrected.
        entries: The lines of the table, the best method first. For two runs, they are in the order of the results and
            have the values of the second run.
        left_out: Notes for the reader: results that can't be compared, with the reason, and which are external scores.
        apart: Pairs of methods that differ significantly, as indices into `entries` with the better one first. Empty
            unless all pairs were compared.
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
