"""Tables of a section by size, place and predicted class of the anomaly: titles for the model of `reports.tables`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oodbench.contracts import RunView
from oodbench.reports.html.sections import Section
from oodbench.reports.tables.breakdown import BreakdownKind, BreakdownTable, breakdown_tables

_KINDS: Mapping[BreakdownKind, tuple[str, str]] = {
    "size": ("By size", "share of the frame that an anomaly covers"),
    "place": ("By place", "row of the lowest pixel of an anomaly; on a flat road, lower means nearer"),
    "class": ("By class", "class that the network predicts at the anomalous pixel"),
    "false positives": ("False positives", "predicted classes at the false positives"),
}


@dataclass(frozen=True)
class TitledBreakdown:
    """A table with its texts on the page.

    Attributes:
        title: The property by which the pixels are divided.
        about: Short description of the property.
        measures: Names of the numbers in each column.
        table: The numbers.
    """

    title: str
    about: str
    measures: tuple[str, ...]
    table: BreakdownTable


def breakdown(run: RunView, section: Section) -> list[TitledBreakdown]:
    """Return the tables of a section; none if its protocol has no breakdown."""
    breakdowns = {section.name(line): known for line in section.lines if (known := run.breakdown(line.row)) is not None}
    tables = breakdown_tables(breakdowns) if breakdowns else []
    return [TitledBreakdown(*_KINDS[table.kind], _measures(table.kind), table) for table in tables]


def _measures(kind: BreakdownKind) -> tuple[str, ...]:
    if kind == "false positives":
        return ("share, test", "share, calibrated")
    return ("AP", "recall, test", "recall, calibrated")
