"""Picture of the layers of the package for docs/explanation/architecture.md.

    python -m tools.architecture_picture            # writes docs/images/architecture.png

The layers are those that tests/test_imports.py checks. The program counts the files of each part.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch

from tests.helpers.layers import FOR_PLUGINS, LAYERS, PLUGIN_FOLDERS

matplotlib.use("agg")

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.png"

# Lengths in inches.
WIDTH = 10.0
HARNESS = 8.5  # Width of a layer; the rest is for the plugins.
MARGIN = 0.12
BOX = 0.36  # Height of a box.
GAP = 0.1  # Between two boxes, and from a box to the border of its layer.
CHARACTER = 0.09  # Width of one character.

LAYER_COLOUR = "#f3f4f6"
HARNESS_COLOUR = "#dbe7f3"
OPEN_COLOUR = "#d3ead3"
PLUGIN_COLOUR = "#f8e3c5"
EDGE_COLOUR = "#5b6570"


def draw_picture(path: Path) -> None:
    """Write the picture as PNG."""
    layers = [break_into_rows(sorted(layer)) for layer in reversed(LAYERS)]
    heights = [len(layer) * (BOX + GAP) + GAP for layer in layers]
    total = sum(heights) + MARGIN * (len(layers) + 1) + 0.35
    figure = pyplot.figure(figsize=(WIDTH, total), dpi=120)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, total))
    axes.axis("off")
    y = total
    highest_open = 0.0
    for layer, height in zip(layers, heights, strict=True):
        y -= height + MARGIN
        draw_box(axes, MARGIN, y, HARNESS, height, LAYER_COLOUR, "")
        for index, names in enumerate(layer):
            draw_row(axes, names, y + height - (index + 1) * (BOX + GAP))
            if FOR_PLUGINS.intersection(names):
                highest_open = max(highest_open, y + height)
        if len(layer) == len(layer[0]) == 1:
            (name,) = layer[0]
            axes.text(
                MARGIN + 2 * GAP + compute_width(name) + 0.1,
                y + height / 2,
                read_summary(name),
                va="center",
                fontsize=10,
            )
    draw_plugins(axes, y, highest_open)
    draw_legend(axes)
    figure.savefig(path, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def make_label(name: str) -> str:
    """Return the name of a part of the package with its number of Python files."""
    for folder in (ROOT / name, ROOT / "oodbench" / name):
        if folder.is_dir():
            return f"{name}/  {len(list(folder.rglob('*.py')))}"
    return name


def read_summary(name: str) -> str:
    """Return the first sentence of the docstring of a part of the package."""
    path = ROOT / "oodbench" / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return documentation.partition(".\n")[0].removesuffix(".")


def compute_width(name: str) -> float:
    return CHARACTER * len(make_label(name)) + 0.25


def break_into_rows(names: list[str]) -> list[list[str]]:
    """Break the parts of a layer into rows that fit."""
    broken: list[list[str]] = [[]]
    for name in names:
        if sum(compute_width(other) + GAP for other in [*broken[-1], name]) + GAP > HARNESS:
            broken.append([])
        broken[-1].append(name)
    return broken


def draw_row(axes: Any, names: list[str], y: float) -> None:
    x = MARGIN + GAP
    for name in names:
        draw_box(
            axes,
            x,
            y,
            compute_width(name),
            BOX,
            OPEN_COLOUR if name in FOR_PLUGINS else HARNESS_COLOUR,
            make_label(name),
        )
        x += compute_width(name) + GAP


def draw_plugins(axes: Any, low: float, high: float) -> None:
    """Draw the plugin folders next to the layers that they import."""
    x = 2 * MARGIN + HARNESS
    each = (high - low - MARGIN * (len(PLUGIN_FOLDERS) - 1)) / len(PLUGIN_FOLDERS)
    for index, name in enumerate(PLUGIN_FOLDERS):
        y = high - each - index * (each + MARGIN)
        draw_box(axes, x, y, WIDTH - MARGIN - x, each, PLUGIN_COLOUR, make_label(name).replace("  ", "\n"))


def draw_legend(axes: Any) -> None:
    x = MARGIN
    colours = {"harness": HARNESS_COLOUR, "harness, imported by plugins": OPEN_COLOUR, "plugins": PLUGIN_COLOUR}
    for text, colour in colours.items():
        draw_box(axes, x, 0.12, 0.26, 0.2, colour, "")
        axes.text(x + 0.34, 0.22, text, va="center", fontsize=10)
        x += 0.34 + CHARACTER * len(text) + 0.2
    text = "a layer imports those below it; numbers count Python files"
    axes.text(WIDTH - MARGIN, 0.22, text, ha="right", va="center", fontsize=10)


def draw_box(axes: Any, x: float, y: float, wide: float, high: float, colour: str, text: str) -> None:
    edge = "none" if colour == LAYER_COLOUR else EDGE_COLOUR
    style = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((x, y), wide, high, boxstyle=style, facecolor=colour, edgecolor=edge, linewidth=0.8))
    axes.text(x + wide / 2, y + high / 2, text, ha="center", va="center", fontsize=11)


if __name__ == "__main__":
    draw_picture(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
