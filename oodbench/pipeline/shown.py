"""What a report is to show: rows of one run or of several, those that were chosen, with published ones beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from oodbench.contracts import (
    CONTAMINATION,
    Calibration,
    ComparisonOfRows,
    Contamination,
    Flag,
    MethodCard,
    PublishedRow,
    Row,
    Strata,
)
from oodbench.errors import UnknownNameError, UsageError
from oodbench.pipeline.joined import JoinedRow, joined, numbers
from oodbench.pipeline.view import Run
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels


@dataclass(frozen=True)
class Choice:
    """What to show; empty: everything.

    Attributes:
        benchmarks: names.
        methods: public names or labels, each alone or as `METHOD / NETWORK`, in the order in which they are shown.
        networks: names, in the order in which they are shown of each method.
        frames: ids of the frames that figures show, in their order.
        without: methods that are known to have had none of these, and no others.
    """

    benchmarks: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    without: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class Shown:
    """Implements contracts.RunView.

    Attributes:
        runs: one or more; names of the second that mean something else than in the first end in #2, and so on.
        choice: what of them.
        others: what others published, before the choice.
    """

    runs: tuple[Run, ...]
    choice: Choice = Choice()
    others: tuple[PublishedRow, ...] = ()

    @property
    def folder(self) -> Path:
        return self.runs[0].folder

    @cached_property
    def rows(self) -> Sequence[Row]:
        """Those that were chosen.

        Raises:
            UnknownNameError: the runs have no benchmark, network, method or frame of that name.
            UsageError: no row is left.
        """
        choice = self.choice
        _known("benchmark in the run", choice.benchmarks, [it.row.benchmark for it in self._joined])
        _known("network in the run", choice.networks, [it.row.network for it in self._joined])
        _known("method in the run", choice.methods, [name for it in self._joined for name in _names(it.row)])
        kept = [
            it.row
            for it in self._joined
            if (not choice.benchmarks or it.row.benchmark in choice.benchmarks)
            and (not choice.networks or it.row.network in choice.networks)
            and (not choice.methods or not set(choice.methods).isdisjoint(_names(it.row)))
            and _known_without(it.run.contamination(it.own), choice.without)
        ]
        if choice.frames:
            ids = {row.benchmark: self.frames(row.benchmark) for row in kept}
            _known("frame in the run", choice.frames, [frame for there in ids.values() for frame in there])
            kept = [row for row in kept if not set(choice.frames).isdisjoint(ids[row.benchmark])]
        if not kept:
            raise UsageError("no row of the run is left", "Leave out some of --benchmarks, --methods, --without, ...")
        return sorted(
            kept, key=lambda row: (_order(choice.methods, _names(row)), _order(choice.networks, [row.network]))
        )

    @cached_property
    def published(self) -> Sequence[PublishedRow]:
        return [row for row in self.others if _known_without(row.contamination, self.choice.without)]

    @cached_property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        found = {}
        for row in self.rows:
            it = self._origin(row)
            if it.own.network in it.run.quality:
                found[row.network] = it.run.quality[it.own.network]
        return found

    @property
    def notes(self) -> Sequence[str]:
        notes = [*(note for run in self.runs for note in run.notes), *numbers(self.runs, self._joined)]
        if self.choice.without:
            flags = [it.run.contamination(it.own) for it in {it.row.label: it for it in self._joined}.values()]
            flags += {(row.method, row.network): row.contamination for row in self.others}.values()
            notes.append(_left_out(flags, self.choice.without))
        return list(dict.fromkeys(notes))

    def contamination(self, row: Row) -> Contamination:
        it = self._origin(row)
        return it.run.contamination(it.own)

    def frames(self, benchmark: str) -> Sequence[str]:
        it = self._first(benchmark)
        return it.run.frames(it.own.benchmark)

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        if self.choice.frames:
            there = self.frames(benchmark)
            return [frame for frame in self.choice.frames if frame in there]
        it = self._first(benchmark)
        return it.run.figure_frames(it.own.benchmark)

    def image(self, benchmark: str, frame: str) -> RGBImage:
        it = self._first(benchmark)
        return it.run.image(it.own.benchmark, frame)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        it = self._first(benchmark)
        return it.run.labels(it.own.benchmark, frame)

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        it = self._first(benchmark)
        return it.run.semantic_labels(it.own.benchmark, frame)

    def score(self, row: Row, frame: str) -> ScoreMap:
        it = self._origin(row)
        return it.run.score(it.own, frame)

    def prediction(self, row: Row, frame: str) -> SemanticLabels | None:
        it = self._origin(row)
        return it.run.prediction(it.own, frame)

    def calibration(self, row: Row) -> Calibration | None:
        it = self._origin(row)
        return it.run.calibration(it.own)

    def strata(self, row: Row) -> Strata | None:
        it = self._origin(row)
        return it.run.strata(it.own)

    def card(self, row: Row) -> MethodCard | None:
        it = self._origin(row)
        return it.run.card(it.own)

    def comparisons(self) -> Sequence[ComparisonOfRows]:
        """Of one run as a whole; what is left of a choice would need corrections of its own (`oodbench compare`)."""
        return self.runs[0].comparisons() if len(self.runs) == 1 and self.choice == Choice() else ()

    @cached_property
    def _joined(self) -> Sequence[JoinedRow]:
        return joined(self.runs)

    def _origin(self, row: Row) -> JoinedRow:
        return next(it for it in self._joined if it.row == row)

    def _first(self, benchmark: str) -> JoinedRow:
        return next(it for it in self._joined if it.row.benchmark == benchmark)


def _names(row: Row) -> list[str]:
    """By which a method is asked for: alone, or on one network."""
    return [f"{name}{network}" for name in (row.method, row.label) for network in ("", f" / {row.network}")]


def _order(asked: Sequence[str], names: Iterable[str]) -> int:
    """The place of the first of the names that was asked for; they stand as they are where none was."""
    return min([asked.index(name) for name in names if name in asked], default=0)


def _known(kind: str, asked: Iterable[str], known: Iterable[str]) -> None:
    known = set(known)
    for name in asked:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _known_without(contamination: Contamination, flags: Iterable[Flag]) -> bool:
    return all(getattr(contamination, flag) is False for flag in flags)


def _left_out(everything: Iterable[Contamination], flags: Sequence[Flag]) -> str:
    """How many methods the filter leaves out."""
    gone = [one for one in everything if not _known_without(one, flags)]
    silent = sum(all(getattr(one, flag) is not True for flag in flags) for one in gone)
    wanted = ", ".join(CONTAMINATION[flag].lower() for flag in flags)
    return f"Shown: methods without {wanted}. Left out: {len(gone)}, of {silent} of which it is not known"
