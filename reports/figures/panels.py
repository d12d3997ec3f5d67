"""Images side by side: one line per frame, one column per kind of image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from oodbench.visualization.colormap import COLOURS, RAREST, resize_to_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches for a line of titles, and between panels.
_TITLE, _GAP = 0.17, 0.03
# At 300 dots per inch, a panel of a one-column figure, or one of eight across a page, has fewer dots than this.
_PANEL_PIXELS = 360


def draw_panels(titles: Sequence[str], lines: Sequence[Sequence[NDArray[Any]]], width: float, below: float) -> Figure:
    """Draw a figure of panels.

    Args:
        titles: Titles of the columns.
        lines: For each frame one image per column: RGB [H, W, 3], or positions on the colour scale [H, W]. The first
            image of a frame sets the aspect ratio of all.
        width: Width of the figure in inches.
        below: Free space below the panels in inches.
    """
    from matplotlib.figure import Figure

    heights = [line[0].shape[0] / line[0].shape[1] for line in lines]
    panel = width / len(titles)
    above = _TITLE + 0.09 * max(title.count("\n") for title in titles)
    height = above + below + panel * sum(heights) + _GAP * len(lines)
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(
        len(lines), len(titles), height_ratios=heights, left=0.002, right=0.998, wspace=0.03, hspace=_GAP / panel,
        top=1 - above / height, bottom=below / height,
    )  # fmt: skip
    for index, line in enumerate(lines):
        for column, (title, picture) in enumerate(zip(titles, line, strict=True)):
            axes = figure.add_subplot(grid[index, column])
            small = resize_to_width(picture, _PANEL_PIXELS)
            axes.imshow(small, cmap=COLOURS, vmin=0, vmax=RAREST, interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if index == 0:
                longest = max(map(len, title.split("\n")))
                axes.set_title(title, fontsize=7 if longest < 16 * panel / 0.9 else 5, pad=2)
    return figure
