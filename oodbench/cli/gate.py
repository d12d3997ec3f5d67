"""`oodbench gate`: regression check of a run against the last accepted one."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from oodbench.baseline import Move, Verdict
from oodbench.baseline import accept as accept_run
from oodbench.baseline import gate as check_against
from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.options import TextAsJson
from oodbench.contracts import default_tolerances, metric_spec
from oodbench.errors import UsageError
from oodbench.text import count_noun

_HEADINGS = (
    "network",
    "method",
    "benchmark",
    "protocol",
    "metric",
    "baseline",
    "now",
    "points",
    "tolerance",
    "verdict",
)
_EXAMPLE = ",".join(f"{metric}={points}" for metric, points in default_tolerances().items())
# Columns of numbers, aligned to the right.
_NUMBERS = range(_HEADINGS.index("baseline"), _HEADINGS.index("verdict"))


def gate(
    run: Annotated[Path, typer.Argument(help="Folder of a run; its result.json is read.", metavar="RUN")],
    others: Annotated[
        list[Path] | None,
        typer.Argument(
            help="With --accept: folders of two or more runs of the same network with other seeds. oodbench measures "
            "how much each metric varies between seeds, and widens the tolerance of a metric that varies more.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    *,
    baseline: Annotated[
        Path, typer.Option(help="Baseline: JSON file with the results of the accepted run.", metavar="FILE")
    ],
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept this run: write its results to the file of --baseline.")
    ] = False,
    tolerance: Annotated[
        str | None,
        typer.Option(
            help="Percentage points by which each metric may get worse. With --accept, the baseline file stores these "
            "tolerances; otherwise they apply to this call only. By default the tolerances in the baseline file, or "
            f"{_EXAMPLE} in a new file.",
            metavar="METRIC=POINTS,...",
        ),
    ] = None,
    as_json: TextAsJson = False,
) -> None:
    """Check whether a run is worse than the accepted run, and print the metrics that changed.

    Exit codes: 0 no metric got worse by more than its tolerance, 1 at least one metric did, 2 the runs can't be
    compared.
    """
    tolerances = _parse_tolerances(tolerance)
    if others and not accept:
        raise UsageError(
            f"{run} and {count_noun(len(others), 'more run')} were given; only one run can be compared with a baseline",
            "Give one run, or add --accept.",
        )
    if accept:
        done = accept_run(run, baseline, tolerances, others or ())
        if as_json:
            _print_json(done.verdict, done.tolerances, accepted=True, not_compared=done.not_compared)
            return
        for reason in done.not_compared:
            print(f"not compared with the earlier baseline: {reason}")
        if done.verdict is not None:
            _print_moves(done.verdict)
        limits = ", ".join(f"{metric} {points:g}" for metric, points in done.tolerances.items())
        print(f"Accepted: {baseline} contains {count_noun(done.rows, 'result')}; tolerances in points: {limits}.")
        if done.by_chance:
            print(f"{done.by_chance} of the numbers vary more between seeds and have a wider tolerance.")
        return
    verdict = check_against(run, baseline, tolerances)
    if as_json:
        _print_json(verdict, verdict.tolerances, accepted=False, not_compared=())
    else:
        _print_moves(verdict)
        if verdict.passed:
            print("Passed: no metric got worse beyond its tolerance.")
        else:
            print(f"Worse: {len(verdict.worse)} of {_count(verdict)} numbers, by more than their tolerance.")
    if not verdict.passed:
        print(
            f"If the change is intended, accept the run: oodbench gate {run} --baseline {baseline} --accept",
            file=sys.stderr,
        )
        raise typer.Exit(ExitCode.WORSE)


def _parse_tolerances(text: str | None) -> dict[str, float]:
    tolerances: dict[str, float] = {}
    for part in (text or "").split(",") if text is not None else []:
        name, _, points = (word.strip() for word in part.partition("="))
        try:
            if name in tolerances:
                raise UsageError(f"--tolerance {text}: {name} is given twice", "Name each metric once.")
            tolerances[name] = float(points)
        except ValueError:
            raise UsageError(
                f"--tolerance {text}: '{part}' is not METRIC=POINTS",
                f"Give metrics and points, for example: --tolerance {_EXAMPLE}",
            ) from None
    return tolerances


def _count(verdict: Verdict) -> int:
    return len(verdict.moves) + verdict.unmoved


def _print_json(
    verdict: Verdict | None, tolerances: Mapping[str, float], *, accepted: bool, not_compared: Sequence[str]
) -> None:
    content = {
        "verdict": None if verdict is None else "passed" if verdict.passed else "worse",
        "accepted": accepted,
        "not_compared": list(not_compared),
        "tolerances": dict(tolerances),
        "moves": [_move_record(move) for move in verdict.moves] if verdict else [],
        "unmoved": verdict.unmoved if verdict else 0,
        "new": list(verdict.new) if verdict else [],
    }
    print(json.dumps(content, indent=1, allow_nan=False))


def _move_record(move: Move) -> dict[str, Any]:
    """Return the fields of a change, without the brackets of exact values."""
    return {name: value for name, value in asdict(move).items() if value is not None or not name.endswith("_bracket")}


def _print_moves(verdict: Verdict) -> None:
    """Print the table of changed metrics, the number of unchanged ones, and the new results."""
    lines = [_HEADINGS, *map(_format_move, verdict.moves)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines if verdict.moves else []:
        cells = [
            cell.rjust(width) if index in _NUMBERS else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    print(f"Unchanged: {verdict.unmoved} of {_count(verdict)} numbers. Metrics in percent.")
    for title in verdict.new:
        print(f"New, not in the baseline: {title}")


def _format_move(move: Move) -> tuple[str, ...]:
    tolerance = "-" if move.tolerance is None else f"{move.tolerance:g}"
    spec = metric_spec(move.metric)
    values = (
        spec.format(value) if bracket is None else spec.format_bracket(bracket)
        for value, bracket in ((move.baseline, move.baseline_bracket), (move.now, move.now_bracket))
    )
    numbers = (*values, f"{move.points:+.3f}", tolerance)
    return move.network, move.label, move.benchmark, move.protocol, move.metric, *numbers, move.outcome
