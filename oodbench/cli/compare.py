"""`oodbench compare`: significance tests of the differences between methods or between two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oodbench.cli.options import RunData, RunPlugins, TextAsJson, Trust
from oodbench.contracts import PIXEL_METRICS, metric_spec
from oodbench.text import count_noun

if TYPE_CHECKING:
    from oodbench.contracts import MethodComparison

_METRICS = f"{', '.join(PIXEL_METRICS[:-1])} or {PIXEL_METRICS[-1]}"


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN_A")],
    second: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of a second run. For each method and benchmark, its results are compared with those of RUN_A. "
            "External scores are compared with all methods of RUN_A, unless one has their name.",
            metavar="RUN_B",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Method with which the other methods are compared, on each network that has it, given by its name or "
            "its label in tables. By default all pairs of methods are compared. With two runs, compare the methods of "
            "both.",
            metavar="METHOD[ / NETWORK]",
        ),
    ] = None,
    benchmarks: Annotated[
        list[str] | None, typer.Option(help="Benchmark to compare on. Repeatable. By default all.", metavar="NAME")
    ] = None,
    networks: Annotated[
        list[str] | None, typer.Option(help="Network to compare. Repeatable. By default all.", metavar="NAME")
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="Method to compare, given by its name or its label in tables. Repeatable. By default all. p is "
            "corrected only for the selected comparisons.",
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
            help="Protocol (evaluation rules) whose results are compared. By default the protocols of the runs.",
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

    from oodbench.runs.comparison import compare_selected
    from oodbench.runs.load import load
    from oodbench.runs.selection import ResultSelection

    runs = [
        load(run, [protocol] if protocol else [], plugins=plugin or (), trust=trust, data=data or ())
        for run in (first, second)
        if run is not None
    ]
    choice = ResultSelection(tuple(benchmarks or ()), tuple(networks or ()), tuple(methods or ()))
    tables = compare_selected(runs, choice, reference, metric or (), resamples)
    if as_json:
        print(json.dumps([asdict(table) for table in tables], indent=1))
        return
    several = len({entry.network for table in tables for entry in table.entries}) > 1
    print("\n\n".join(_format_table(table, names_networks=several) for table in tables))


def _format_table(table: MethodComparison, *, names_networks: bool) -> str:
    from tabulate import tabulate

    from oodbench.runs.compare import LEVEL

    ranked = any(entry.rank is not None for entry in table.entries)
    headings = [*(["Rank"] if ranked else []), "Method", *(["Network"] if names_networks else [])]
    reference = table.reference if names_networks else table.reference.split(" / ")[0]
    headings += [table.metric, "95 %", f"to {reference}", "95 %", "p", ""]
    body, spec = [], metric_spec(table.metric)
    for entry in table.entries:
        cells = [str(entry.rank)] if ranked else []
        cells += [
            entry.label,
            *([entry.network] if names_networks else []),
            spec.format(entry.value) if entry.bracket is None else spec.format_bracket(entry.bracket),
            _format_bounds(entry.bounds),
        ]
        if entry.difference is None or entry.corrected is None:
            cells += ["", "", "", ""]
        else:
            cells += [f"{100 * entry.difference.value:+.2f}", _format_bounds(entry.difference.bounds, "+.2f")]
            cells += [f"{entry.corrected:.4f}", "*" if entry.significant else ""]
        body.append(cells)
    align = [*(["right"] if ranked else []), "left", *(["left"] if names_networks else [])]
    align += ["right", "right", "right", "right", "right", "left"]
    lines = [
        f"{table.benchmark}, {table.metric}, percent; {table.units} {table.unit}, protocol {table.protocol}",
        tabulate(body, headings, "simple", disable_numparse=True, colalign=align),
        f"p corrected by Holm for {count_noun(table.comparisons, 'comparison')}; * below 0.05; {table.resamples} "
        f"resamples of {table.unit}, paired.",
    ]
    smallest = 2 * table.comparisons / (table.resamples + 1)
    if smallest >= LEVEL:
        lines.append(f"No p can be below {smallest:.3f} here: use more resamples (--resamples).")
    if ranked:
        lines.append("Rank: one more than the number of methods that are significantly better.")
    if any(entry.bracket for entry in table.entries):
        lines.append(f"{table.metric} in brackets: its guaranteed bounds. Differences are between their midpoints.")
    return "\n".join([*lines, *table.left_out])


def _format_bounds(bounds: tuple[float, float] | None, form: str = ".1f") -> str:
    return "-" if bounds is None else f"[{100 * bounds[0]:{form}}, {100 * bounds[1]:{form}}]"
