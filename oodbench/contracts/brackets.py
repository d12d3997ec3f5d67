"""Brackets: guaranteed lower and upper bounds of metrics that were computed from histograms of the scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

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
