"""The results tables as plain text of at most 100 characters per line, if the names allow it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from typing_extensions import override

from oodbench.contracts import REQUIREMENT_TITLES, ReportCard, RunView
from oodbench.reports.tables.formats import TableReport
from oodbench.reports.tables.model import ResultsTable
from oodbench.reports.tables.published import UNCONFIRMED

PLUGINS = {"reports": {"terminal": ("Terminal", "results table as plain text")}}

# Width in characters above which a table is split. A block with long names can be wider: no cell is cut.
_WIDTH = 100

_MARKS = {1: "*", 2: "+"}


@dataclass(frozen=True)
class _TextColumn:
    """A column of text.

    Attributes:
        head: Head of the column.
        cells: One cell per line; the measured lines come first.
        is_number: Whether the text is aligned to the right.
    """

    head: str
    cells: Sequence[str]
    is_number: bool = False

    def text(self, width: int = 0) -> list[str]:
        """Return the head and the cells, padded to the widest one and at least to `width` characters."""
        lines = [self.head, *self.cells]
        width = max(width, *map(len, lines))
        return [line.rjust(width) if self.is_number else line.ljust(width) for line in lines]


@dataclass(frozen=True)
class _Group:
    """Columns with a common title: a benchmark's metrics, for example.

    Attributes:
        title: Title above the heads; empty for the names of the lines.
        columns: The columns, at least one.
    """

    title: str
    columns: Sequence[_TextColumn]

    def text(self) -> list[str]:
        """Return the title, the heads and the lines, all of the same width."""
        first, *others = (column.text() for column in self.columns)
        missing = len(self.title) - len("  ".join(column[0] for column in [first, *others]))
        if missing > 0:
            first = self.columns[0].text(len(first[0]) + missing)
        lines = ["  ".join(cells) for cells in zip(first, *others, strict=True)]
        return [self.title.center(len(lines[0])), *lines]


class Terminal(TableReport):
    """The tables as plain text. A star marks the best value, a plus the second best.

    A table of more than 100 characters per line is split into blocks that repeat the names of its lines. The benchmarks
    come first, then the closed-set quality, then the training signals.
    """

    card = ReportCard("terminal", "Table as plain text", default=True, text=True)
    file = "table.txt"

    @override
    def text(self, run: RunView) -> str:
        parts: list[str] = []
        for results in self.tables(run):
            for block in _split(results):
                parts += [*block, ""]
            legend = f"{results.title}{'. * best, + second.' if results.lines else '.'}"
            # The name of the protocol stays next to the word.
            lines = textwrap.wrap(legend.replace("protocol ", "protocol\N{NO-BREAK SPACE}"), _WIDTH)
            parts += [*(line.replace("\N{NO-BREAK SPACE}", " ") for line in lines), *results.notes]
        return "\n".join([*parts, *run.notes]) + "\n"


def _split(results: ResultsTable) -> Iterator[list[str]]:
    """Yield the text of each block of a table: one if it fits, or as many groups of columns per block as fit."""
    measured = len(results.lines)
    names, signals = _name_groups(results)
    numbers = _number_groups(results)
    whole = _join([names, *signals, *numbers], measured)
    if _width(whole) <= _WIDTH:
        yield whole
        return
    closed_set = {column.frames for column in results.columns if column.spec.group == "closed-set"}
    numbers.sort(key=lambda group: group.title in closed_set)
    block = [names]
    for group in [*numbers, *signals]:
        if len(block) > 1 and _width(_join([*block, group], measured)) > _WIDTH:
            yield _join(block, measured)
            block = [names]
        block.append(group)
    yield _join(block, measured)


def _name_groups(results: ResultsTable) -> tuple[_Group, list[_Group]]:
    """Return the columns that name a line, and those of its training signals if the table has any."""
    rows = [*results.names(), *results.published_names()]
    columns = [_TextColumn(head, [row[index] for row in rows]) for index, head in enumerate(results.heads())]
    titles = set(REQUIREMENT_TITLES.values())
    names = [column for column in columns if column.head not in titles]
    signals = [column for column in columns if column.head in titles]
    return _Group("", names), [_Group("", signals)] if signals else []


def _number_groups(results: ResultsTable) -> list[_Group]:
    ranks = results.ranks()
    groups = []
    for frames, columns in groupby(enumerate(results.columns), key=lambda item: item[1].frames):
        text = [
            _TextColumn(
                column.head,
                [
                    *(
                        (line.cells[index].text or "-") + _MARKS.get(ranks.get((row, index), 0), " ")
                        for row, line in enumerate(results.lines)
                    ),
                    # Measured numbers may end with a mark for their rank, published ones with a mark if unconfirmed.
                    *(
                        cell if cell.endswith(UNCONFIRMED) else f"{cell or '-'} "
                        for cell in (line.cells[index] for line in results.published)
                    ),
                ],
                is_number=True,
            )
            for index, column in columns
        ]
        groups.append(_Group(frames, text))
    return groups


def _join(groups: Sequence[_Group], measured: int) -> list[str]:
    """Return the lines of a block, with rules below the heads and below the measured lines."""
    titles, heads, *lines = (
        "   ".join(parts).rstrip() for parts in zip(*(group.text() for group in groups), strict=True)
    )
    rule = "─" * max(map(len, (titles, heads, *lines)))
    body = [*lines[:measured], *([rule] if 0 < measured < len(lines) else []), *lines[measured:]]
    return [*([titles] if titles else []), heads, rule, *body]


def _width(lines: Sequence[str]) -> int:
    return max(map(len, lines))
