"""Colours of score maps, their meaning, and panel sizes, shared by all figures.

A colour shows how rare a score is among in-distribution pixels, from common to one in ten thousand, as determined by
calibration. Colours are therefore comparable between frames and, unlike raw scores, between methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Calibration
from oodbench.types import ScoreMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.16
"""Text width of a two-column paper in inches."""

# Any: matplotlib has a separate type for the keys.
PLAIN_TEXT: Any = {"text.parse_math": False, "text.usetex": False}
"""Settings of matplotlib under which names with dollar signs or backslashes are not formulas."""

COLOURS = "inferno"
"""Matplotlib's name of the colour map."""

RAREST = 4.0
"""End of the colour scale: one in 10^4."""


def compute_colour_position(
    score: ScoreMap, calibration: Calibration | None, scale: tuple[float, float] | None
) -> NDArray[np.float32]:
    """Compute each pixel's position on the colour scale, 0 to 4; non-decreasing in the score.

    Args:
        score: float32 [H, W].
        calibration: Calibration that tells how rare a score is. None uses `scale`.
        scale: Lowest and highest score of the colour scale.
    """
    if calibration is not None:
        return calibration.rarity(score).clip(max=RAREST).astype(np.float32)
    low, high = scale or (0.0, 1.0)
    share = ((score - low) / max(high - low, 1e-12)).clip(0, 1)
    return (RAREST * share).astype(np.float32)


def resize_to_width(picture: NDArray[Any], width: int) -> NDArray[Any]:
    """Resize an image [H, W, 3] or a map [H, W] to a width, with its aspect ratio and type."""
    height = max(round(width * picture.shape[0] / picture.shape[1]), 1)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), picture.dtype)


def draw_colour_scale(figure: Figure, calibration: Calibration | None, below: float) -> Axes:
    """Draw the colour scale and its meaning below the panels.

    Args:
        figure: Figure with panels.
        calibration: Calibration of the colours; None for percentiles.
        below: Share of the figure's height below the panels.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    share = min(0.40 * WIDTH / figure.get_figwidth(), 0.9)  # as long in a narrow figure as in a wide one
    axes = figure.add_axes(((1 - share) / 2, below * 0.62, share, below * 0.16))
    bar = figure.colorbar(ScalarMappable(Normalize(0, RAREST), COLOURS), cax=axes, orientation="horizontal")
    bar.outline.set_linewidth(0.4)
    axes.tick_params(labelsize=6, length=2, width=0.4, pad=1)
    if calibration is None:
        bar.set_ticks([0, RAREST], labels=["lowest 1 %", "highest 1 %"])
        text = "score, by each method's own percentiles in this figure (no in-distribution frames were given)"
    else:
        bar.set_ticks([0, 1, 2, 3, 4], labels=["all", "1 in 10", "1 in 100", "1 in 1000", "1 in 10 000"])
        text = f"how many in-distribution pixels score as high ({calibration.source})"
    figure.text(0.5, below * 0.08, text, ha="center", va="bottom", fontsize=6)
    return axes
