"""What a report is to show: rows of one run or of several, those that were chosen, with published ones beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from oodbench.contracts import (
    REQUIREMENT_TITLES,
    Breakdown,
    Calibration,
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirement,
    Requirements,
    Result,
)
from oodbench.errors import UnknownNameError, UsageError
from oodbench.runs.multi_run import MergedResult, describe_suffixes, merge_results
from oodbench.runs.run import Run
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels


@dataclass(frozen=True)
class ResultSelection:
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
    without: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class SelectedRun:
    """Implements contracts.RunView.

    Attributes:
        runs: one or more; names of the second that mean something else than in the first end in #2, and so on.
        choice: what of them.
        others: what others published, before the choice.
    """

    runs: tuple[Run, ...]
    choice: ResultSelection = ResultSelection()
    others: tuple[PublishedResult, ...] = ()

    @property
    def location(self) -> str:
        return self.runs[0].location

    @cached_property
    def results(self) -> Sequence[Result]:
        """Those that were chosen.

        Raises:
            UnknownNameError: the runs have no benchmark, network, method or frame of that name.
            UsageError: no row is left.
        """
        choice = self.choice
        _check_known("benchmark in the run", choice.benchmarks, [it.row.benchmark for it in self._joined])
        _check_known("network in the run", choice.networks, [it.row.network for it in self._joined])
        _check_known(
            "method in the run", choice.methods, [name for it in self._joined for name in _method_names(it.row)]
        )
        kept = [
            it.row
            for it in self._joined
            if (not choice.benchmarks or it.row.benchmark in choice.benchmarks)
            and (not choice.networks or it.row.network in choice.networks)
            and (not choice.methods or not set(choice.methods).isdisjoint(_method_names(it.row)))
            and _is_known_without(it.run.requirements(it.own), choice.without)
        ]
        if choice.frames:
            ids = {row.benchmark: self.frames(row.benchmark) for row in kept}
            _check_known("frame in the run", choice.frames, [frame for there in ids.values() for frame in there])
            kept = [row for row in kept if not set(choice.frames).isdisjoint(ids[row.benchmark])]
        if not kept:
            raise UsageError("no row of the run is left", "Leave out some of --benchmarks, --methods, --without, ...")
        return sorted(
            kept,
            key=lambda row: (
                _requested_position(choice.methods, _method_names(row)),
                _requested_position(choice.networks, [row.network]),
            ),
        )

    @cached_property
    def published(self) -> Sequence[PublishedResult]:
        return [row for row in self.others if _is_known_without(row.requirements, self.choice.without)]

    @cached_property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        found = {}
        for row in self.results:
            it = self._origin(row)
            if it.own.network in it.run.quality:
                found[row.network] = it.run.quality[it.own.network]
        return found

    @property
    def notes(self) -> Sequence[str]:
        notes = [*(note for run in self.runs for note in run.notes), *describe_suffixes(self.runs, self._joined)]
        if self.choice.without:
            flags = [it.run.requirements(it.own) for it in {it.row.label: it for it in self._joined}.values()]
            flags += {(row.method, row.network): row.requirements for row in self.others}.values()
            notes.append(_describe_left_out(flags, self.choice.without))
        return list(dict.fromkeys(notes))

    def requirements(self, row: Result) -> Requirements:
        it = self._origin(row)
        return it.run.requirements(it.own)

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

    def score(self, row: Result, frame: str) -> ScoreMap:
        it = self._origin(row)
        return it.run.score(it.own, frame)

    def prediction(self, row: Result, frame: str) -> SemanticLabels | None:
        it = self._origin(row)
        return it.run.prediction(it.own, frame)

    def calibration(self, row: Result) -> Calibration | None:
        it = self._origin(row)
        return it.run.calibration(it.own)

    def breakdown(self, row: Result) -> Breakdown | None:
        it = self._origin(row)
        return it.run.breakdown(it.own)

    def card(self, row: Result) -> MethodCard | None:
        it = self._origin(row)
        return it.run.card(it.own)

    def comparisons(self) -> Sequence[MethodComparison]:
        """Of one run as a whole; what is left of a choice would need corrections of its own (`oodbench compare`)."""
        return self.runs[0].comparisons() if len(self.runs) == 1 and self.choice == ResultSelection() else ()

    @cached_property
    def _joined(self) -> Sequence[MergedResult]:
        return merge_results(self.runs)

    def _origin(self, row: Result) -> MergedResult:
        return next(it for it in self._joined if it.row == row)

    def _first(self, benchmark: str) -> MergedResult:
        return next(it for it in self._joined if it.row.benchmark == benchmark)


def _method_names(row: Result) -> list[str]:
    """By which a method is asked for: alone, or on one network."""
    return [f"{name}{network}" for name in (row.method, row.label) for network in ("", f" / {row.network}")]


def _requested_position(asked: Sequence[str], names: Iterable[str]) -> int:
    """The place of the first of the names that was asked for; they stand as they are where none was."""
    return min([asked.index(name) for name in names if name in asked], default=0)


def _check_known(kind: str, asked: Iterable[str], known: Iterable[str]) -> None:
    known = set(known)
    for name in asked:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def _is_known_without(requirements: Requirements, flags: Iterable[Requirement]) -> bool:
    return all(getattr(requirements, flag) is False for flag in flags)


def _describe_left_out(everything: Iterable[Requirements], flags: Sequence[Requirement]) -> str:
    """How many methods the filter leaves out."""
    gone = [one for one in everything if not _is_known_without(one, flags)]
    silent = sum(all(getattr(one, flag) is not True for flag in flags) for one in gone)
    wanted = ", ".join(REQUIREMENT_TITLES[flag].lower() for flag in flags)
    return f"Shown: methods without {wanted}. Left out: {len(gone)}, of {silent} of which it is not known"
