"""Command-line entry point: registers the commands."""

from __future__ import annotations

from typing import Annotated

import typer

from oodbench import __version__
from oodbench.cli.compare import compare
from oodbench.cli.convert import convert
from oodbench.cli.data import data
from oodbench.cli.doctor import doctor
from oodbench.cli.evaluate import evaluate
from oodbench.cli.export import export
from oodbench.cli.gate import gate
from oodbench.cli.info import info
from oodbench.cli.launch import FaultGroup, run_command
from oodbench.cli.list import list_plugins
from oodbench.cli.merge import merge
from oodbench.cli.new import new
from oodbench.cli.options import CommandGroup, ModelCommand
from oodbench.cli.predict import predict
from oodbench.cli.report import report
from oodbench.cli.run import run
from oodbench.cli.status import status
from oodbench.cli.submit import submit
from oodbench.cli.train import train
from oodbench.cli.verify import verify

app = CommandGroup(
    name="oodbench",
    cls=FaultGroup,
    help="Measure anomaly segmentation on road scenes: how well a method on a segmentation network detects objects of "
    "unknown classes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command(cls=ModelCommand, short_help="Score benchmarks with methods on networks, and evaluate the scores.")(run)
app.command("list", short_help="List methods, benchmarks, models, ...")(list_plugins)
app.command(short_help="Show details of a method, benchmark, model, ...")(info)
app.command(short_help="Evaluate the stored scores of a run, or score maps that other code wrote.")(evaluate)
app.command(cls=ModelCommand, short_help="Write score maps and heatmaps of photographs without labels.")(predict)
app.command(short_help="Show what a run or its shards have computed, and what is left.")(status)
app.command(short_help="Combine the shards of a run.")(merge)
app.command(short_help="Print tables and draw figures of runs.")(report)
app.command(short_help="Test which differences between methods or runs are significant.")(compare)
app.command(short_help="Verify a run: recompute its results from the stored scores.")(verify)
app.command(short_help="Write the stored score maps of a run as files, named by the frames' ids.")(export)
app.command(short_help="Write or check a leaderboard submission.")(submit)
app.command(short_help="Train a network by a recipe, or resume a training.")(train)
app.command(short_help="Check whether a run is worse than the accepted run.")(gate)
app.command(short_help="Convert a checkpoint to safetensors.")(convert)
app.add_typer(data, name="data", short_help="List, locate, verify, build and fetch benchmarks and datasets.")
app.command(short_help="Show versions, devices, extras and data, with their problems.")(doctor)
app.command(short_help="Write a template for a plugin or model, and its test.")(new)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"oodbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    run_command(app)
