"""What the figures for a paper share: a column's width, a quiet style, one style for each method, and their files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oodbench.contracts import Report, Result, RunView
from oodbench.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 3.5
"""Inches: the width of one of two columns."""

IN_DISTRIBUTION_COLOUR, ANOMALY_COLOUR = "#0072B2", "#D55E00"

LEGEND_LINE = 0.115
"""Inches: the height of a line of a legend."""

# Letters of an entry of which two fit side by side.
_NARROW = 24

# Okabe and Ito's colours, which colour-blind readers tell apart; without their yellow, too light for a line on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
_MARKERS = ("o", "s", "^", "D")

# Any: the keys that matplotlib knows are a type of their own.
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 6.5,
    "axes.titlesize": 6.5,
    "axes.labelsize": 6.5,
    "axes.linewidth": 0.5,
    "axes.edgecolor": "#555555",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.4,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.0,
    # TrueType: the letters are in the file, and a publisher's checker doesn't reject it as it does Type 3.
    "pdf.fonttype": 42,
    # A name with dollar signs is a name and no formula.
    "text.parse_math": False,
}


@dataclass(frozen=True)
class FigureStyle:
    """How a method on a network is drawn, the same in every figure of one call.

    Attributes:
        colour: of the method.
        line, marker: of the network.
        text: the method, and the network where there are several.
        lines: the same, the network in a line of its own.
    """

    colour: str
    line: Any
    marker: str
    text: str
    lines: str


def assign_styles(rows: Sequence[Result]) -> dict[tuple[str, str], FigureStyle]:
    """(label, network) -> its style."""
    labels = list(dict.fromkeys(row.label for row in rows))
    networks = list(dict.fromkeys(row.network for row in rows))
    return {
        (row.label, row.network): FigureStyle(
            _COLOURS[labels.index(row.label) % len(_COLOURS)],
            _LINES[networks.index(row.network) % len(_LINES)],
            _MARKERS[networks.index(row.network) % len(_MARKERS)],
            row.label if len(networks) == 1 else f"{row.label}, {row.network}",
            row.label if len(networks) == 1 else f"{row.label}\n{row.network}",
        )
        for row in rows
    }


def count_legend_columns(texts: Sequence[str]) -> int:
    """How many entries stand side by side under a figure of a column's width."""
    return 2 if max(map(len, texts), default=0) <= _NARROW else 1


def group_by_benchmark(run: RunView) -> dict[str, list[Result]]:
    """benchmark -> a row for each method and network; under several protocols they have one map, and count once."""
    found: dict[str, dict[tuple[str, str], Result]] = {}
    for row in run.rows:
        found.setdefault(row.benchmark, {}).setdefault((row.label, row.network), row)
    return {benchmark: list(rows.values()) for benchmark, rows in found.items()}


class BenchmarkFigure(Report):
    """A report of one figure a benchmark."""

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        written = []
        for benchmark, rows in group_by_benchmark(run).items():
            with apply_rc_style():
                written += save_figure(self.draw(run, benchmark, rows), out, f"{self.card.name}-{benchmark}")
        return written

    @abstractmethod
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        """The figure of one benchmark, of `rows_by_benchmark`."""


def apply_rc_style() -> AbstractContextManager[None]:
    """Draw and save within it."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def save_figure(figure: Figure, out: Path, stem: str) -> list[Path]:
    """Write a figure as PNG, 300 dots an inch, and PDF, with its fonts; the same figure gives the same PDF.

    Args:
        figure: drawn, within `style`, as this is called.
        out: the folder.
        stem: the files' name without its ending; no string of the user's.
    """
    # Compressing harder doubles the time that a PNG takes and makes it an eighth smaller.
    options: dict[str, dict[str, Any]] = {
        "png": {"pil_kwargs": {"compress_level": 1}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    written = []
    for ending, more in options.items():
        path = out / f"{stem}.{ending}"
        write_atomically(path, lambda file, e=ending, m=more: figure.savefig(file, format=e, dpi=300, **m))  # type: ignore[misc]
        written.append(path)
    return written
