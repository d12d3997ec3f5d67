"""Options that several verbs have in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from oodbench.progress import Progress

Value = TypeVar("Value")

Plugins = Annotated[list[Path] | None, typer.Option(help="A Python file with plugins of your own.", metavar="FILE")]

DataPlugins = Annotated[
    list[Path] | None, typer.Option(help="A Python file with data sets of your own.", metavar="FILE")
]

RunPlugins = Annotated[
    list[Path] | None, typer.Option(help="A Python file with plugins of your own. Repeatable.", metavar="FILE")
]

Checkpoint = Annotated[
    Path | None, typer.Option(help="The weights of a network that has them apart (MMSegmentation).", metavar="FILE")
]

IdLimit = Annotated[
    int | None,
    typer.Option(
        help="Frames to fit on and to calibrate on at most, evenly spaced. By default 500, 10 drawn ones.",
        metavar="N",
    ),
]

Seed = Annotated[int, typer.Option(help="Seed of everything random.", metavar="N")]

ResultAsJson = Annotated[bool, typer.Option("--json", help="Print result.json, and nothing else, to standard output.")]

TextAsJson = Annotated[
    bool, typer.Option("--json", help="Print the same as JSON, and nothing else, to standard output.")
]


def renamed_option(old: str, new: str, value: Value, progress: Progress) -> Value:
    """Return the value of an option's old spelling, which is accepted for one release."""
    progress.warn(f"{old} is now {new}; the old spelling will be removed in the next release")
    return value
