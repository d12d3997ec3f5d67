"""`oodbench`: the verbs put together, and what becomes of errors.

Exit codes: 0 done, 1 worse than the baseline (`gate` alone), 2 a mistake that the user can mend, 3 a fault of the
program, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated

import typer

from oodbench import __version__
from oodbench.cli.compare import compare
from oodbench.cli.convert import convert
from oodbench.cli.data import data
from oodbench.cli.doctor import doctor
from oodbench.cli.evaluate import evaluate
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.gate import gate
from oodbench.cli.info import info
from oodbench.cli.list import list_plugins
from oodbench.cli.merge import merge
from oodbench.cli.new import new
from oodbench.cli.options import ModelCommand
from oodbench.cli.predict import predict
from oodbench.cli.report import report
from oodbench.cli.run import run
from oodbench.cli.submit import submit
from oodbench.cli.train import train
from oodbench.cli.verify import verify
from oodbench.errors import OodbenchError

app = typer.Typer(
    name="oodbench",
    help="Measure how well a road-scene segmentation network knows what it does not know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(cls=ModelCommand, short_help="Score benchmarks with methods on networks.")(run)
app.command("list", short_help="List methods, benchmarks, models, ...")(list_plugins)
app.command(short_help="Everything about one of them.")(info)
app.command(short_help="Rows from stored scores, a run's or your own.")(evaluate)
app.command(cls=ModelCommand, short_help="Score maps and heatmaps of photographs.")(predict)
app.command(short_help="The pieces of a run put together.")(merge)
app.command(short_help="A run's tables and figures.")(report)
app.command(short_help="Which differences between methods or runs are significant.")(compare)
app.command(short_help="Is a run what it says?")(verify)
app.command(short_help="A submission to a leaderboard, or a check of one.")(submit)
app.command(short_help="Train a network by a recipe.")(train)
app.command(short_help="Is a run worse than the last accepted one?")(gate)
app.command(short_help="A checkpoint as safetensors, once and for all.")(convert)
app.add_typer(data, name="data", short_help="Find, check, build and fetch data sets.")
app.command(short_help="What is installed, found, and wrong.")(doctor)
app.command(short_help="A plugin of your own to start from.")(new)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"oodbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


class _Interrupted(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which typer answers itself before anything can be said."""


def _interrupt(*_: object) -> None:
    raise _Interrupted


def main() -> None:
    """The entry point."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except OodbenchError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        if error.remedy:
            print(f"       {error.remedy}", file=sys.stderr)
        sys.exit(ExitCode.MISTAKE)
    except _Interrupted:
        print("interrupted: the same command goes on from what is saved", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        traceback.print_exc()
        sys.exit(ExitCode.FAULT)
