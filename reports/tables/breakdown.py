"""Which anomalies are found, by size, place and predicted class; what is mistaken for one; calibrated thresholds.

All as plain text. AP of a part of the anomalies has that part's share of the pixels as its floor, so it compares the
methods in a column and not the columns of a method; recall compares both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oodbench.contracts import Breakdown, BreakdownThreshold, ReportCard, RunView
from oodbench.reports.tables.formats import TextReport

PLUGINS = {"reports": {"strata": ("StrataText", "results by size, place and class of the anomaly, and thresholds")}}

_TITLES = {
    "size": "By the size of the anomaly, as a share of the frame",
    "place": "By the lowest pixel of the anomaly, from the top of the frame",
    "class": "By the class that the network took it for",
}
# Classes with a smaller share of the pixels than this are not shown.
_SHOWN = 0.01


class StrataText(TextReport):
    """A table for each benchmark, network and way to divide, with a line for each method."""

    card = ReportCard("strata", "Results by size, place and class", text=True)
    file = "strata.txt"

    def text(self, run: RunView) -> str:
        parts, without = [], []
        for who in dict.fromkeys((row.benchmark, row.protocol.name, row.network) for row in run.rows):
            rows = [row for row in run.rows if (row.benchmark, row.protocol.name, row.network) == who]
            found = {row.label: strata for row in rows if (strata := run.strata(row)) is not None}
            heading = f"{who[0]}, protocol {who[1]}, network {who[2]}"
            if len(found) < len(rows):
                without.append(f"{heading}: {len(rows) - len(found)} rows have no strata.")
            if found:
                parts += [f"{heading}\n{'=' * len(heading)}", _thresholds(found)]
                parts += [_strata(found, kind) for kind in _TITLES]
                parts.append(_mistakes(found))
        return "\n\n".join(filter(None, [*parts, "\n".join([*without, *run.notes])])) + "\n"


def _thresholds(found: Mapping[str, Breakdown]) -> str:
    heads = ["", "score", "FPR", "recall", "score", "FPR", "recall"]
    body = []
    titles: dict[str, str] = {}
    for name, strata in found.items():
        cells = [name]
        known: dict[str, BreakdownThreshold] = {threshold.name: threshold for threshold in strata.thresholds}
        titles |= {threshold.name: threshold.title for threshold in strata.thresholds}
        for which in ("test", "calibrated"):
            at = known.get(which)
            cells += ["-"] * 3 if at is None else [f"{at.score:.4g}", _percent(at.fpr), _percent(at.recall)]
        body.append(cells)
    said = "; ".join(f"{which}: {title}" for which, title in titles.items())
    return _table(
        f"Thresholds, the first three columns on the test labels, the others calibrated ({said})", heads, body
    )


def _strata(found: Mapping[str, Breakdown], kind: str) -> str:
    """One table: AP, recall at the test's threshold, recall at the calibrated one."""
    parts = next(iter(found.values())).strata
    everything = sum(part.pixels for part in parts if part.kind == "size")
    columns = [part for part in parts if part.kind == kind and part.pixels >= _SHOWN * everything]
    if not columns:
        return ""
    heads = [""]
    for part in columns:
        objects = "" if part.objects is None else f", {part.objects} regions"
        heads.append(f"{part.name}\n{100 * part.pixels / everything:.0f} % of pixels{objects}")
    body = []
    for name, strata in found.items():
        own = {part.name: part for part in strata.strata if part.kind == kind}
        cells = [name]
        for column in columns:
            part = own[column.name]
            numbers = [part.ap, part.recall.get("test"), part.recall.get("calibrated")]
            cells.append(" / ".join(_percent(number) for number in numbers))
        body.append(cells)
    return _table(f"{_TITLES[kind]}: AP / recall at the test's threshold / at the calibrated one", heads, body)


def _mistakes(found: Mapping[str, Breakdown]) -> str:
    """One table: how much of the false positives lies in each predicted class."""
    parts = next(iter(found.values())).mistakes
    everything = sum(part.pixels for part in parts)
    columns = [part for part in parts if part.pixels >= _SHOWN * everything]
    if not columns:
        return ""
    heads = ["", *(f"{part.name}\n{100 * part.pixels / everything:.0f} % of pixels" for part in columns)]
    body = []
    for name, strata in found.items():
        own = {part.name: part for part in strata.mistakes}
        cells = [name]
        for column in columns:
            shares = []
            for which in ("test", "calibrated"):
                total = sum(part.called.get(which, 0) for part in strata.mistakes)
                shares.append(_percent(own[column.name].called.get(which, 0) / total if total else None))
            cells.append(" / ".join(shares))
        body.append(cells)
    return _table(
        "False positives by predicted class: their share at the test's threshold / at the calibrated one", heads, body
    )


def _table(title: str, heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    align = ["left"] + ["right"] * (len(heads) - 1)
    table: str = tabulate(body, heads, "simple", disable_numparse=True, colalign=align)
    return f"{title}; percent\n{table}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
