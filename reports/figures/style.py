"""Shared parts of the figures for papers: column width, plot style, one line style per scorer, and writing of files."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from oodbench.contracts import Report, Result, RunView
from oodbench.files import write_atomically
from oodbench.visualization.colormap import PLAIN_TEXT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 3.5
"""Width in inches of one of two columns."""

IN_DISTRIBUTION_COLOUR, ANOMALY_COLOUR = "#0072B2", "#D55E00"

LEGEND_LINE = 0.115
"""Height in inches of a line of a legend."""

# Maximum letters of an entry if two entries fit side by side.
_NARROW = 24

# Okabe and Ito's colours, which colour-blind readers can distinguish, without yellow, which is too light on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (4, 1.2, 1, 1.2)))
_MARKERS = ("o", "s", "^", "D")

# Any: matplotlib has a separate type for the keys.
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
    # TrueType: fonts are embedded, and publishers accept them, unlike Type 3.
    "pdf.fonttype": 42,
    **PLAIN_TEXT,
}


@dataclass(frozen=True)
class FigureStyle:
    """The style of a method on a network, identical in all figures of one call.

    Attributes:
        colour: Colour of the method.
        line, marker: Line style and marker of the network.
        text: Name of the method, and of the network if there are several.
        lines: The same text with the network on a separate line.
    """

    colour: str
    line: Any
    marker: str
    text: str
    lines: str


def assign_styles(rows: Sequence[Result]) -> dict[tuple[str, str], FigureStyle]:
    """Assign a style to each (label, network)."""
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
    """Return the number of legend entries that fit side by side below a figure one column wide."""
    return 2 if max(map(len, texts), default=0) <= _NARROW else 1


def group_by_benchmark(run: RunView) -> dict[str, list[Result]]:
    """Group results by benchmark: one per method and network, because results under several protocols share one map."""
    groups: dict[str, dict[tuple[str, str], Result]] = {}
    for row in run.results:
        groups.setdefault(row.benchmark, {}).setdefault((row.label, row.network), row)
    return {benchmark: list(rows.values()) for benchmark, rows in groups.items()}


class BenchmarkFigure(Report):
    """A report with one figure per benchmark."""

    @override
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        written = []
        for benchmark, rows in group_by_benchmark(run).items():
            with apply_rc_style():
                written += save_figure(self.draw(run, benchmark, rows), out, f"{self.card.name}-{benchmark}")
        return written

    @abstractmethod
    def draw(self, run: RunView, benchmark: str, rows: Sequence[Result]) -> Figure:
        """Draw the figure of one benchmark with the results of `group_by_benchmark`."""


def apply_rc_style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and saved with the common style."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def save_figure(figure: Figure, out: Path, stem: str) -> list[Path]:
    """Write a figure as PNG with 300 dots per inch and as PDF with its fonts. Equal figures give equal PDFs.

    Args:
        figure: Figure drawn within `apply_rc_style`, as this call.
        out: Output folder.
        stem: File name without ending; it must not contain text from the user.
    """
    # Stronger compression doubles the time for a PNG and makes it only an eighth smaller.
    options: dict[str, dict[str, Any]] = {
        "png": {"pil_kwargs": {"compress_level": 1}},
        "pdf": {"metadata": {"CreationDate": None}},
    }
    written = []
    for ending, more in options.items():
        path = out / f"{stem}.{ending}"
        content = io.BytesIO()  # matplotlib does not survive a disk that is full
        figure.savefig(content, format=ending, dpi=300, **more)
        write_atomically(path, lambda file, content=content: file.write(content.getbuffer()))  # type: ignore[misc]
        written.append(path)
    return written
