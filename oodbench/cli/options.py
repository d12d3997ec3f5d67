"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand
from typing_extensions import override

from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.progress import Progress

Value = TypeVar("Value")

SOURCES = "{sources}"
"""Placeholder in the help of an option for what the adapters accept; see `ModelCommand`."""


class ModelCommand(TyperCommand):
    """A command whose help lists what `--model` accepts.

    The list is read from the declarations of the adapters when the help is printed, so that it delays no other command.
    """

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options with each `SOURCES` replaced by what the adapters accept."""
        sources = "; ".join(entry.summary for entry in Registry().entries("models"))
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                parameter.help = text.replace(SOURCES, sources)  # type: ignore[attr-defined]  # arguments have it, too
        super().format_options(ctx, formatter)


Plugins = Annotated[
    list[Path] | None, typer.Option(help="Python file with your own plugins. Repeatable.", metavar="FILE")
]

DataPlugins = Annotated[
    list[Path] | None,
    typer.Option(help="Python file with your own benchmarks or datasets. Repeatable.", metavar="FILE"),
]

RunPlugins = Annotated[
    list[Path] | None, typer.Option(help="Python file with your own plugins. Repeatable.", metavar="FILE")
]

Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="Checkpoint with the model's weights (for MMSegmentation configs and Python files).", metavar="FILE"
    ),
]

IdLimit = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of frames for fitting and for calibration, evenly spaced. By default 500 (10 for "
        "synthetic datasets).",
        metavar="N",
    ),
]

Seed = Annotated[int, typer.Option(help="Random seed for subsampling and initialisation.", metavar="N")]

ResultAsJson = Annotated[bool, typer.Option("--json", help="Print result.json instead of the table.")]

TextAsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def renamed_option(old: str, new: str, value: Value, progress: Progress) -> Value:
    """Return the value of an option, and warn that its old spelling is accepted for one release only."""
    progress.warn(f"{old} is now {new}; the old spelling will be removed in the next release")
    return value
