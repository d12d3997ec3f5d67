"""Options with the same words in several verbs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand

from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.progress import Progress

Value = TypeVar("Value")

SOURCES = "{sources}"
"""The place in the help of an option for what the adapters accept; see `ModelCommand`."""


class ModelCommand(TyperCommand):
    """A command whose help says what `--model` accepts.

    The list is read from the declarations of the adapters when the help is printed. No other command waits for it.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options with each `SOURCES` replaced by what the adapters accept."""
        sources = "; ".join(entry.summary for entry in Registry().entries("models"))
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                parameter.help = text.replace(SOURCES, sources)  # type: ignore[attr-defined]  # arguments have it, too
        super().format_options(ctx, formatter)


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
