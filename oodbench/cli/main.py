"""Command-line entry point: registers the commands and handles errors.

Exit codes: 0 done, 1 worse than the baseline (`gate` only), 2 a mistake that the user can fix, 3 a fault of the
program, 4 some benchmarks failed and the others finished, 5 something could not be verified (`verify` only), 75
stopped on request after a batch, 130 and 143 interrupted.
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
from oodbench.cli.predict import predict
from oodbench.cli.report import report
from oodbench.cli.run import run
from oodbench.cli.submit import submit
from oodbench.cli.train import train
from oodbench.cli.verify import verify
from oodbench.errors import BenchmarksFailedError, OodbenchError, StopRequestedError
from oodbench.stopping import request_stop

app = typer.Typer(
    name="oodbench",
    help="Measure how well a road-scene segmentation network knows what it does not know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(short_help="Score benchmarks with methods on networks.")(run)
app.command("list", short_help="List methods, benchmarks, models, ...")(list_plugins)
app.command(short_help="Show details of a method, benchmark, model, ...")(info)
app.command(short_help="Evaluate stored scores, a run's or your own.")(evaluate)
app.command(short_help="Write score maps and heatmaps of photographs.")(predict)
app.command(short_help="Combine the shards of a run.")(merge)
app.command(short_help="Print tables and draw figures of runs.")(report)
app.command(short_help="Test which differences between methods or runs are significant.")(compare)
app.command(short_help="Verify a run: recompute its results from the stored scores.")(verify)
app.command(short_help="Write or check a leaderboard submission.")(submit)
app.command(short_help="Train a network by a recipe.")(train)
app.command(short_help="Check whether a run is worse than the accepted one.")(gate)
app.command(short_help="Convert a checkpoint to safetensors.")(convert)
app.add_typer(data, name="data", short_help="Find, verify, build and fetch datasets.")
app.command(short_help="Show what is installed, found, and wrong.")(doctor)
app.command(short_help="Write a plugin to start from.")(new)


_EXIT_CODES = {BenchmarksFailedError: ExitCode.SOME_FAILED, StopRequestedError: ExitCode.STOPPED}
"""Errors that are not the user's mistake."""


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
    """A signal that ends the program. Not KeyboardInterrupt, which typer answers itself before anything can be said."""

    def __init__(self, code: ExitCode) -> None:
        self.code = code


def _listen() -> None:
    """End on Ctrl-C and on a request to terminate; stop after the current batch on SIGUSR1."""

    def interrupt(number: int, _: object) -> None:
        raise _Interrupted(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        signal.signal(signal.SIGUSR1, lambda *_: request_stop())


def main() -> None:
    """Run the command line."""
    _listen()
    try:
        app()
    except OodbenchError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        if error.remedy:
            print(f"       {error.remedy}", file=sys.stderr)
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.MISTAKE))
    except _Interrupted as interruption:
        print("interrupted: the same command resumes from what is saved", file=sys.stderr)
        sys.exit(interruption.code)
    except Exception:
        traceback.print_exc()
        sys.exit(ExitCode.FAULT)
