"""`oodbench compare`: significance tests of the differences between methods or between two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.options import RunData, RunPlugins, TextAsJson, Trust
from oodbench.contracts import PIXEL_METRICS

if TYPE_CHECKING:
    from oodbench.contracts import MethodComparison

_METRICS = f"{', '.join(PIXEL_METRICS[:-1])} or {PIXEL_METRICS[-1]}"


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN_A")],
    second: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a second run. For each method and benchmark, its results are compared with those of RUN_A.",
            metavar="RUN_B",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Method of RUN_A with which all other methods are compared, given by its name or its label in tables. "
            "By default all pairs of methods are compared.",
            metavar="METHOD[ / NETWORK]",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help=f"Metric to compare: {_METRICS}. Repeatable. By default all of them.", metavar="NAME"),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Protocol (evaluation rules) whose results are compared. By default the protocols of the run.",
            metavar="NAME",
        ),
    ] = None,
    resamples: Annotated[
        int, typer.Option(help="Number of times that the frames are resampled (bootstrap).", min=99, metavar="N")
    ] = 9999,
    as_json: TextAsJson = False,
    data: RunData = None,
    plugin: RunPlugins = None,
    trust: Trust = False,
) -> None:
    """Compare methods, or two runs, on the same frames: differences, confidence intervals and significance."""
    from dataclasses import asdict

    from oodbench.errors import UsageError
    from oodbench.runs.compare import compare_methods, compare_runs
    from oodbench.runs.load import load

    if second is not None and reference is not None:
        raise UsageError(
            "--reference compares the methods of one run, but two runs are given", "Omit --reference or the second run."
        )
    protocols = [protocol] if protocol else []
    runs = [
        load(folder, protocols, plugins=plugin or (), trust=trust, data=data or ())
        for folder in (first, second)
        if folder is not None
    ]
    if second is None:
        tables = compare_methods(runs[0], reference, metric or (), resamples)
    else:
        tables = compare_runs(runs[0], runs[1], metric or (), resamples)
    if as_json:
        print(json.dumps([asdict(table) for table in tables], indent=1))
        return
    print("\n\n".join(_format_table(table) for table in tables))


def _format_table(table: MethodComparison) -> str:
    from tabulate import tabulate

    from oodbench.runs.compare import LEVEL

    ranked = any(entry.rank is not None for entry in table.entries)
    networks = len({entry.network for entry in table.entries}) > 1
    headings = [*(["Rank"] if ranked else []), "Method", *(["Network"] if networks else []), table.metric, "95 %"]
    headings += [f"to {table.reference if networks else table.reference.split(' / ')[0]}", "95 %", "p", ""]
    body = []
    for entry in table.entries:
        cells = [str(entry.rank)] if ranked else []
        cells += [
            entry.label,
            *([entry.network] if networks else []),
            f"{100 * entry.value:.2f}",
            _format_bounds(entry.bounds),
        ]
        if entry.difference is None or entry.corrected is None:
            cells += ["", "", "", ""]
        else:
            cells += [f"{100 * entry.difference.value:+.2f}", _format_bounds(entry.difference.bounds, "+.2f")]
            cells += [f"{entry.corrected:.4f}", "*" if entry.significant else ""]
        body.append(cells)
    align = [*(["right"] if ranked else []), "left", *(["left"] if networks else [])]
    align += ["right", "right", "right", "right", "right", "left"]
    lines = [
        f"{table.benchmark}, {table.metric}, percent; {table.units} {table.unit}, protocol {table.protocol}",
        tabulate(body, headings, "simple", disable_numparse=True, colalign=align),
        f"p corrected by Holm for {table.comparisons} comparisons; * below 0.05; {table.resamples} resamples of "
        f"{table.unit}, paired.",
    ]
    smallest = 2 * table.comparisons / (table.resamples + 1)
    if smallest >= LEVEL:
        lines.append(f"No p can be below {smallest:.3f} here: use more resamples (--resamples).")
    if ranked:
        lines.append("Rank: one more than the number of methods that are significantly better.")
    return "\n".join([*lines, *table.left_out])


def _format_bounds(bounds: tuple[float, float] | None, form: str = ".1f") -> str:
    return "-" if bounds is None else f"[{100 * bounds[0]:{form}}, {100 * bounds[1]:{form}}]"
