"""A photograph next to its score map, with a contour around pixels above the threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Calibration
from oodbench.types import RGBImage, ScoreMap
from oodbench.visualization.colormap import (
    COLOURS,
    PLAIN_TEXT,
    RAREST,
    WIDTH,
    compute_colour_position,
    draw_colour_scale,
    resize_to_width,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 300

_LINE = "cyan"
# Inches, as in the heatmaps of a run: titles above, colour scale below, gap between the panels.
_ABOVE, _BELOW, _GAP = 0.17, 0.40, 0.03
_PANEL = (WIDTH - _GAP) / 2
# Maximum ratio of a panel's height to its width; a higher image becomes narrower.
_HIGHEST = 2.0


@dataclass(frozen=True)
class PhotographThreshold:
    """The threshold above which a pixel of a photograph counts as anomalous.

    Attributes:
        score: Threshold; pixels with a higher score are above it.
        share: Share of in-distribution pixels above it.
    """

    score: float
    share: float

    def above(self, score: ScoreMap) -> NDArray[np.bool_]:
        """Return which pixels are above the threshold, bool [H, W]."""
        return np.asarray(score > np.float32(self.score))


def draw_photograph(
    image: RGBImage,
    score: ScoreMap,
    calibration: Calibration | None,
    threshold: PhotographThreshold | None,
    method: str,
    network: str,
) -> Figure:
    """Draw the figure of one photograph.

    Args:
        image: uint8 [H, W, 3].
        score: float32 [H, W].
        calibration: Calibration of the colours. None uses the lowest and the highest percentile of this map.
        threshold: Threshold of the contour. None draws no contour.
        method: Label of the method.
        network: Name of the network.
    """
    import matplotlib

    with matplotlib.rc_context(PLAIN_TEXT):
        return _draw(image, score, calibration, threshold, method, network)


def _draw(
    image: RGBImage,
    score: ScoreMap,
    calibration: Calibration | None,
    threshold: PhotographThreshold | None,
    method: str,
    network: str,
) -> Figure:
    from matplotlib.figure import Figure

    ratio = image.shape[0] / image.shape[1]
    panel = _PANEL * min(ratio, _HIGHEST)
    height = _ABOVE + panel + _BELOW
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.add_gridspec(
        1, 2, left=0.002, right=0.998, wspace=_GAP / _PANEL, top=1 - _ABOVE / height, bottom=_BELOW / height
    )
    width = max(1, min(round(_PANEL * DPI * min(1, _HIGHEST / ratio)), image.shape[1]))
    low, high = np.percentile(score, [1, 99])
    position = compute_colour_position(score, calibration, (float(low), float(high)))
    above = resize_to_width(threshold.above(score).astype(np.float32), width) if threshold else None
    panels: list[tuple[str, NDArray[Any]]] = [("Image", image), (method, position)]
    for column, (title, pixels) in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(
            resize_to_width(pixels, width), cmap=COLOURS, vmin=0, vmax=RAREST, interpolation="nearest", aspect="equal"
        )
        axes.set_axis_off()
        axes.set_title(title, fontsize=7, pad=2)
        # Matplotlib finds no contour in a single row or column.
        if above is not None and min(above.shape) > 1 and above.min() < 0.5 < above.max():
            axes.contour(above, levels=[0.5], colors=_LINE, linewidths=0.4)
    about = network
    if threshold is not None:
        share = 100 * float(threshold.above(score).mean())
        about += (
            f"\nline: above {threshold.score:.4g}, as {100 * threshold.share:g} % of in-distribution pixels are;"
            f"\n{share:.1f} % of this image"
        )
    figure.text(0.004, _BELOW / height * 0.12, about, ha="left", va="bottom", fontsize=5)
    scale = draw_colour_scale(figure, calibration, _BELOW / height)
    if threshold is not None:
        scale.axvline(-math.log10(threshold.share), color=_LINE, linewidth=0.8)
    return figure
