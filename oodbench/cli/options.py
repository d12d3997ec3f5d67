"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from typer.core import TyperCommand
from typing_extensions import override

from oodbench.files import expand_home
from oodbench.registry import Registry

if TYPE_CHECKING:
    from oodbench.progress import Progress

Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])

SOURCES = "{sources}"
"""Placeholder in the help of an option for what the adapters accept; see `ModelCommand`."""


class CommandGroup(typer.Typer):
    """A group of commands, whose files and folders can begin with `~`, the home folder."""

    @override
    def command(self, *arguments: Any, **options: Any) -> Callable[[Function], Function]:
        """Return a decorator that adds a function as a command."""
        add = super().command(*arguments, **options)

        def decorate(function: Function) -> Function:
            @wraps(function)
            def expand_and_call(**values: Any) -> None:
                function(**{name: _expand_homes(value) for name, value in values.items()})

            add(expand_and_call)
            return function

        return decorate


def _expand_homes(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_expand_homes, value))
    return Path(expand_home(value)) if isinstance(value, Path) else value


class ModelCommand(TyperCommand):
    """A command whose help lists what `--model` accepts.

    The list is read from the declarations of the adapters when the help is printed, so that it delays no other command.
    """

    def complete_help(self) -> None:
        """Replace each `SOURCES` in the help of the parameters by what the adapters accept."""
        sources = "; ".join(entry.summary for entry in Registry().entries("models"))
        for parameter in self.params:
            text = getattr(parameter, "help", None)
            if text:
                parameter.help = text.replace(SOURCES, sources)  # type: ignore[attr-defined]  # arguments have it, too

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.complete_help()
        super().format_options(ctx, formatter)


CHECKPOINT_HELP = (
    "File with the weights of the model, for MMSegmentation configs and Python files. By default a .safetensors or "
    ".pth file of the same name next to the config or Python file, if there is one."
)
MODEL_CARD_HELP = (
    "TOML file that describes the model: preprocessing, classes and outputs. By default the TOML file of the same name "
    "next to the model."
)
DATA_HELP = (
    "Folder that is searched for benchmarks, up to two levels deep; or NAME=DIR, the folder of the benchmark NAME. "
    "Repeatable. By default the environment variable OODBENCH_DATA (separated as in PATH), then 'data' in "
    "the config file (see 'oodbench doctor')."
)
ID_DATA_HELP = (
    "Folder that is searched for a dataset of labelled frames without anomalies, for fitting and calibration; or "
    "NAME=DIR, the folder of the dataset NAME. Repeatable. By default 'id_data' in the config file, then the folders "
    "of --data."
)
PLUGIN_HELP = "Python file with your own methods, benchmarks or other plugins. The file is executed. Repeatable."

Plugins = Annotated[list[Path] | None, typer.Option(help=PLUGIN_HELP, metavar="FILE")]

RunPlugins = Annotated[
    list[Path] | None,
    typer.Option(
        help=f"{PLUGIN_HELP} A plugin of the run is used if it is one of these files, or has the same content.",
        metavar="FILE",
    ),
]

Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run the code that the run names: its plugins, and networks in Python. Use this option only if you trust "
        "the author of the run.",
    ),
]

RunData = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder that contains the benchmarks of the run now; or NAME=DIR, the folder of the benchmark NAME. "
        "Repeatable. By default the folders in which the run found them, then OODBENCH_DATA or the config file.",
        metavar="DIR|NAME=DIR",
    ),
]

RunIdData = Annotated[
    list[str] | None,
    typer.Option(
        help="Folder that contains the in-distribution dataset of the run now; or NAME=DIR. Repeatable. By default as "
        "for --data.",
        metavar="DIR|NAME=DIR",
    ),
]

Checkpoint = Annotated[Path | None, typer.Option(help=CHECKPOINT_HELP, metavar="FILE")]

ModelCard = Annotated[Path | None, typer.Option(help=MODEL_CARD_HELP, metavar="FILE")]

Data = Annotated[list[str] | None, typer.Option(help=DATA_HELP, metavar="DIR|NAME=DIR")]

IdData = Annotated[list[str] | None, typer.Option(help=ID_DATA_HELP, metavar="DIR|NAME=DIR")]

FRAMES_HELP = (
    "Ids of the frames to use, as ID,ID; or a file with one id per line, in which lines that begin with # "
    "are comments. NAME=... applies to the benchmark NAME only. "
    "Repeatable. Benchmarks without any of the frames are left out."
)

IdLimit = Annotated[
    int | None,
    typer.Option(
        help="Maximum number of frames for fitting, and for calibration. The frames are selected evenly. By default "
        "500 each (10 for synthetic datasets).",
        metavar="N",
    ),
]

Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Device for the network. 'auto' selects a GPU if one is available."),
]

Seed = Annotated[
    int,
    typer.Option(help="Random seed for fitting methods and for resampling frames.", metavar="N"),
]

ResultAsJson = Annotated[
    bool, typer.Option("--json", help="Print result.json to standard output instead of the table.")
]

TextAsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON to standard output instead of tables.")
]


def renamed_option(old: str, new: str, value: Value, progress: Progress) -> Value:
    """Return the value of an option, and warn that its old spelling is accepted for one release only."""
    progress.warn(f"{old} is now {new}; the old spelling will be removed in the next release")
    return value
