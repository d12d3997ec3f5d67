"""Selection of the results that a report shows: from one run or several, with published results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from oodbench.contracts import (
    REQUIREMENT_TITLES,
    BinnedScores,
    Breakdown,
    Calibration,
    FailedBenchmark,
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirement,
    Requirements,
    Result,
)
from oodbench.errors import UnknownNameError, UsageError
from oodbench.metrics import Sketch
from oodbench.runs.multi_run import MergedResult, describe_suffixes, merge_results
from oodbench.runs.run import Run
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap, SemanticLabels


@dataclass(frozen=True)
class ResultSelection:
    """Filter for results. An empty field selects everything.

    Attributes:
        benchmarks: Names of benchmarks.
        networks: Names of networks, in the order in which they are shown for each method.
        methods: Names or labels of methods, each alone or as `METHOD / NETWORK`, in the order in which they are shown.
        frames: Ids of the frames that figures show, in their order.
        without: Requirements. Only methods that are known to have none of these are shown.
        intervals: Whether tables and figures show confidence intervals.
    """

    benchmarks: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    without: tuple[Requirement, ...] = ()
    intervals: bool = True

    def names(self, result: Result) -> bool:
        """Return whether the benchmark, the network and the method of a result are selected."""
        return (
            (not self.benchmarks or result.benchmark in self.benchmarks)
            and (not self.networks or result.network in self.networks)
            and (not self.methods or not set(self.methods).isdisjoint(_method_names(result)))
        )


@dataclass(frozen=True)
class SelectedRun:
    """View of the selected results of one or more runs. Implements contracts.RunView.

    Attributes:
        runs: One or more runs. Names of the second that conflict with the first get the suffix #2, and so on.
        choice: The filter for their results.
        others: Published results, before the filter.
    """

    runs: tuple[Run, ...]
    choice: ResultSelection = ResultSelection()
    others: tuple[PublishedResult, ...] = ()

    @property
    def location(self) -> str:
        """The path of the first run's folder, as text."""
        return self.runs[0].location

    @property
    def seed(self) -> int:
        """The seed of the first run."""
        return self.runs[0].seed

    @property
    def evaluated(self) -> Sequence[str]:
        """The names of the protocols that have results in all runs."""
        return [name for name in self.runs[0].evaluated if all(name in run.evaluated for run in self.runs)]

    @property
    def failed(self) -> Sequence[FailedBenchmark]:
        """The benchmarks that failed in any of the runs."""
        return [failure for run in self.runs for failure in run.failed]

    @cached_property
    def results(self) -> Sequence[Result]:
        """The selected results, in the order of the filter.

        Raises:
            UnknownNameError: The runs have no benchmark, network, method or frame of that name.
            UsageError: No result is left.
        """
        choice = self.choice
        candidates = [merged.row for merged in self._merged]
        _check_names("benchmark in the run", choice.benchmarks, [result.benchmark for result in candidates])
        _check_names("network in the run", choice.networks, [result.network for result in candidates])
        _check_names(
            "method in the run", choice.methods, [name for result in candidates for name in _method_names(result)]
        )
        kept = [
            merged.row
            for merged in self._merged
            if choice.names(merged.row) and _is_known_without(merged.run.requirements(merged.own), choice.without)
        ]
        if choice.frames:
            ids = {result.benchmark: self.frames(result.benchmark) for result in kept}
            _check_names("frame in the run", choice.frames, [frame for frames in ids.values() for frame in frames])
            kept = [result for result in kept if not set(choice.frames).isdisjoint(ids[result.benchmark])]
        if not kept:
            raise UsageError(
                "the filters leave no result of the run", "Remove some of --benchmarks, --methods, --without, ..."
            )
        return sorted(
            kept,
            key=lambda result: (
                _requested_position(choice.methods, _method_names(result)),
                _requested_position(choice.networks, [result.network]),
            ),
        )

    @cached_property
    def published(self) -> Sequence[PublishedResult]:
        """The published results that the filter keeps."""
        return [result for result in self.others if _is_known_without(result.requirements, self.choice.without)]

    @cached_property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """The closed-set quality of the selected networks, by the names that the merged results use."""
        quality = {}
        for result in self.results:
            origin = self._origin(result)
            if origin.own.network in origin.run.quality:
                quality[result.network] = origin.run.quality[origin.own.network]
        return quality

    @property
    def notes(self) -> Sequence[str]:
        """The notes of all runs, the suffixes of conflicting names, and the number of methods left out."""
        notes = [*(note for run in self.runs for note in run.notes), *describe_suffixes(self.runs, self._merged)]
        if self.choice.without:
            by_label = {merged.row.label: merged for merged in self._merged}
            requirements = [merged.run.requirements(merged.own) for merged in by_label.values()]
            requirements += {(result.method, result.network): result.requirements for result in self.others}.values()
            notes.append(_describe_left_out(requirements, self.choice.without))
        return list(dict.fromkeys(notes))

    def benchmark_title(self, benchmark: str) -> str:
        """Return the title of the benchmark, with the suffix of its name if another run has other frames."""
        origin = self._first(benchmark)
        own = origin.own.benchmark
        return f"{origin.run.benchmark_title(own)}{benchmark.removeprefix(own)}"

    def requirements(self, result: Result) -> Requirements:
        """Return the requirements of the result's method in its own run."""
        origin = self._origin(result)
        return origin.run.requirements(origin.own)

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the frames in the first run that has the benchmark."""
        origin = self._first(benchmark)
        return origin.run.frames(origin.own.benchmark)

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the frames of the filter that the benchmark has; without any in the filter, those of its first run."""
        if self.choice.frames:
            frames = self.frames(benchmark)
            return [frame for frame in self.choice.frames if frame in frames]
        origin = self._first(benchmark)
        return origin.run.figure_frames(origin.own.benchmark)

    def image(self, benchmark: str, frame: str) -> RGBImage:
        """Return the image of a frame from the first run that has the benchmark."""
        origin = self._first(benchmark)
        return origin.run.image(origin.own.benchmark, frame)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """Return the anomaly labels of a frame from the first run that has the benchmark."""
        origin = self._first(benchmark)
        return origin.run.labels(origin.own.benchmark, frame)

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return the semantic labels of a frame from the first run that has the benchmark."""
        origin = self._first(benchmark)
        return origin.run.semantic_labels(origin.own.benchmark, frame)

    def score(self, result: Result, frame: str) -> ScoreMap:
        """Return the score map of a frame from the result's own run."""
        origin = self._origin(result)
        return origin.run.score(origin.own, frame)

    def level_picture(self, result: Result, frame: str) -> ScoreMap | None:
        """Return the small picture of a score map from the result's own run."""
        origin = self._origin(result)
        return origin.run.level_picture(origin.own, frame)

    def binned_scores(self, result: Result) -> BinnedScores | None:
        """Return the binned scores of the result from its own run."""
        origin = self._origin(result)
        return origin.run.binned_scores(origin.own)

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return the predicted classes of a frame from the result's own run."""
        origin = self._origin(result)
        return origin.run.prediction(origin.own, frame)

    def calibration(self, result: Result) -> Calibration | None:
        """Return the calibration of the result's scorer from its own run."""
        origin = self._origin(result)
        return origin.run.calibration(origin.own)

    def sketch(self, result: Result) -> Sketch | None:
        """Return the sketch of the result from its own run."""
        origin = self._origin(result)
        return origin.run.sketch(origin.own)

    def groups(self, benchmark: str) -> Sequence[str]:
        """Return the groups of the frames in the first run that has the benchmark."""
        origin = self._first(benchmark)
        return origin.run.groups(origin.own.benchmark)

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return the breakdown of the result from its own run."""
        origin = self._origin(result)
        return origin.run.breakdown(origin.own)

    def card(self, result: Result) -> MethodCard | None:
        """Return the card of the result's method from its own run."""
        origin = self._origin(result)
        return origin.run.card(origin.own)

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the comparisons of a single, unfiltered run; otherwise none.

        The corrected p-values depend on the number of compared results; `oodbench compare` computes them for others.
        """
        unfiltered = replace(self.choice, intervals=True) == ResultSelection()
        return self.runs[0].comparisons() if len(self.runs) == 1 and unfiltered else ()

    @cached_property
    def _merged(self) -> Sequence[MergedResult]:
        merged = merge_results(self.runs)
        if self.choice.intervals:
            return merged
        return [replace(part, row=part.row.model_copy(update={"intervals": None})) for part in merged]

    def _origin(self, result: Result) -> MergedResult:
        return next(merged for merged in self._merged if merged.row == result)

    def _first(self, benchmark: str) -> MergedResult:
        return next(merged for merged in self._merged if merged.row.benchmark == benchmark)


def _method_names(result: Result) -> list[str]:
    """Return the names that select a result's method: name or label, alone or with the network."""
    return [f"{name}{network}" for name in (result.method, result.label) for network in ("", f" / {result.network}")]


def _requested_position(requested: Sequence[str], names: Iterable[str]) -> int:
    """Return the first position of any of the names in the requested ones; 0 for all if none was requested."""
    return min([requested.index(name) for name in names if name in requested], default=0)


def _check_names(kind: str, requested: Iterable[str], choices: Iterable[str]) -> None:
    choices = set(choices)
    for name in requested:
        if name not in choices:
            raise UnknownNameError(kind, name, choices)


def _is_known_without(requirements: Requirements, flags: Iterable[Requirement]) -> bool:
    return all(getattr(requirements, flag) is False for flag in flags)


def _describe_left_out(everything: Iterable[Requirements], flags: Sequence[Requirement]) -> str:
    """Describe how many methods the filter leaves out."""
    left_out = [requirements for requirements in everything if not _is_known_without(requirements, flags)]
    unknown = sum(all(getattr(requirements, flag) is not True for flag in flags) for requirements in left_out)
    titles = ", ".join(REQUIREMENT_TITLES[flag].lower() for flag in flags)
    return f"Shown: methods without {titles}. Left out: {len(left_out)}, including {unknown} for which this is unknown"
