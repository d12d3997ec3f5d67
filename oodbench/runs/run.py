"""Finished runs, as reports and users read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import (
    BinnedScores,
    Breakdown,
    Calibration,
    FailedBenchmark,
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirements,
    Result,
    ResultsFile,
)
from oodbench.errors import NotComparableError, NotStoredError, RunFolderError, UnknownNameError, UntrustedCodeError
from oodbench.files import remove_leftovers
from oodbench.metrics import PixelSketch, Sketch
from oodbench.metrics.counting.ordered_keys import scores_of
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import PlanRecord
from oodbench.planning.request import validate_protocol_names
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.access import NOTHING_ADDED, RunAccess
from oodbench.runs.compare import compare_methods
from oodbench.runs.frame_finder import FrameFinder
from oodbench.runs.hidden_labels import describe_hidden_labels
from oodbench.runs.table import tabulate_results
from oodbench.stages.evaluate import evaluate, rebuild_sketch, write_results
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import RESULTS_FILE, picture_key
from oodbench.storage.run_store import REPAIR, RunStore
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.storage.stored_records import no_run
from oodbench.types import AnomalyLabels, Frame, RGBImage, ScoreMap, SemanticLabels
from oodbench.visualization.level_pictures import decode_level_picture

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A run: its results, score maps and settings, each read from the run's folder when it is asked for.

    `oodbench.run` and `oodbench.load` return runs.

    Attributes:
        store: The storage of the run's files.
        protocols: Names of the protocols (rules that turn scores into metrics) whose results are shown. Empty: those
            that the run was started with.
        access: The code of the run that may run, and the folders in which its data is now.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> result = run.results[0]
        >>> result.label, result.benchmark, result.counts["frames"]
        ('MSP', 'streets-anomaly', 1)
        >>> (frame,) = run.frames("streets-anomaly")
        >>> run.score(result, frame).shape, run.labels("streets-anomaly", frame).values.shape
        ((512, 1024), (512, 1024))
    """

    store: RunStore
    protocols: tuple[str, ...] = ()
    access: RunAccess = NOTHING_ADDED

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # A registry holds modules, which other processes import themselves.
        return Run, (self.store, self.protocols, replace(self.access, known=None))

    @cached_property
    def artifacts(self) -> RunArtifacts:
        """The stored files of the run, as objects."""
        return RunArtifacts(self.store)

    @property
    def location(self) -> str:
        """The path of the run's folder."""
        return self.store.location

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.store.location)

    @cached_property
    def registry(self) -> Registry:
        """The methods, benchmarks and other plugins that the run can use."""
        return self.access.registry(self.record)

    @cached_property
    def finder(self) -> FrameFinder:
        """The finder of the run's frames on disk."""
        return FrameFinder(self.record, self.registry, self.access)

    @cached_property
    def record(self) -> PlanRecord:
        """The plan, written before the run starts: networks, methods, frames, protocols and settings.

        Raises:
            RunFolderError: The folder contains no run, or another version wrote its plan.
        """
        record = self.artifacts.plan()
        if record is None:
            raise no_run(self.store)
        return record

    @cached_property
    def content(self) -> ResultsFile:
        """The content of result.json.

        Raises:
            RunFolderError: The file is missing, is of another version, or does not belong to plan.json.
        """
        content = self.artifacts.results_file()
        if content.plan != self.record.digest:
            raise RunFolderError(
                f"{self.store.location}: result.json is older than the plan, because the last run did not finish",
                "Run the same 'oodbench run' again to resume it.",
            )
        return content

    @cached_property
    def results(self) -> Sequence[Result]:
        """The results under `protocols`, in the order of the plan (`record`).

        Raises:
            RunFolderError: The run is not evaluated yet.
        """
        return list(self.content.under(self.protocols or self.record.protocol_names))

    @property
    def evaluated(self) -> Sequence[str]:
        """The names of all protocols that have results, including those that `results` leaves out."""
        return [name for name, results in self.content.results.items() if results]

    @property
    def seed(self) -> int:
        """The random seed of the run."""
        return self.record.seed

    @property
    def failed(self) -> Sequence[FailedBenchmark]:
        """The benchmarks without results, because scoring or evaluating them failed."""
        return self.content.failed if self.store.has(RESULTS_FILE) else ()

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        """The segmentation quality of each network, such as `miou` and `ece`; empty without labelled frames."""
        return self.content.quality

    @property
    def notes(self) -> Sequence[str]:
        """The notes about the run, one line each, on benchmarks that failed or whose labels are not public."""
        failed = [f"{failure}" for failure in self.failed]
        return [*failed, *describe_hidden_labels(self.record, self.content, self.artifacts)]

    @property
    def published(self) -> Sequence[PublishedResult]:
        """An empty sequence, because a run has only its own results."""
        return ()

    def benchmark_title(self, benchmark: str) -> str:
        """Return the title of a benchmark, as papers write it.

        Args:
            benchmark: Name of the benchmark.
        """
        return self.record.benchmark(benchmark).title

    def requirements(self, result: Result) -> Requirements:
        """Return what a result's method needs besides a trained network: retraining, a second network, OoD data.

        Args:
            result: A result of this run.

        Returns:
            The requirements; all are unknown for score maps that other code wrote.
        """
        return self.record.scorer(result.network, result.label).requirements

    def table(self) -> pd.DataFrame:
        """Return the results as a table, one row per result.

        Returns:
            Columns for network, method, benchmark, each metric (a fraction; NaN if undefined), number of frames,
            scoring resolution and protocol.
        """
        return tabulate_results(self.results)

    def frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of a benchmark's frames, in order.

        Args:
            benchmark: Name of the benchmark.

        Raises:
            UnknownNameError: The run has no benchmark of that name.
        """
        return [frame.id for frame in self.record.benchmark(benchmark).frames]

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        """Return the ids of the frames that figures show: four evenly spaced ones, or all if there are fewer.

        Args:
            benchmark: Name of the benchmark.
        """
        return self.record.benchmark(benchmark).figure_frames

    def image(self, benchmark: str, frame: str) -> RGBImage:
        """Return the image of a frame, uint8 [H, W, 3], red first.

        Args:
            benchmark: Name of the benchmark.
            frame: Id of the frame.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: The frame is missing, or its image or labels have changed since the run.
            DataError: The image is damaged.
        """
        return self._frame(benchmark, frame).read_image()

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        """Return the anomaly labels of a frame; None if they are not public.

        Args:
            benchmark: Name of the benchmark.
            frame: Id of the frame.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: The frame is missing, or its image or labels have changed since the run.
            DataError: The label file is damaged or has an unknown value.
        """
        read = self._frame(benchmark, frame).read_anomaly_labels
        return None if read is None else read()

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        """Return the semantic labels (classes) of a frame; None if the benchmark has none.

        Args:
            benchmark: Name of the benchmark.
            frame: Id of the frame.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: The frame is missing, or its image or labels have changed since the run.
            DataError: The label file is damaged or has an unknown value.
        """
        read = self._frame(benchmark, frame).read_semantic_labels
        return None if read is None else read()

    def known_labels(self, benchmark: str, frame: str) -> AnomalyLabels:
        """Return the anomaly labels of a frame whose labels are public.

        Args:
            benchmark: Name of the benchmark.
            frame: Id of the frame.

        Raises:
            DataNotFoundError: No folder contains the benchmark.
            RunFolderError: The frame has no labels, is missing, or has changed since the run.
            DataError: The label file is damaged or has an unknown value.
        """
        labels = self.labels(benchmark, frame)
        if labels is None:
            raise RunFolderError(
                f"{self.folder}: {frame} of {benchmark} has no labels", "Choose a benchmark with public labels."
            )
        return labels

    def score(self, result: Result, frame: str) -> ScoreMap:
        """Return the stored score map of a frame, float32 [H, W], higher = more anomalous.

        Args:
            result: A result of this run, which names method, network and benchmark.
            frame: Id of the frame.

        Raises:
            NotStoredError: The map is not computed yet, or was not kept.
            RunFolderError: The map is damaged.
        """
        scored = self._scored(result)
        score: ScoreMap = self.artifacts.map(scored.score_key(self._frame_record(result.benchmark, frame)))
        return score

    def level_picture(self, result: Result, frame: str) -> ScoreMap | None:
        """Return the small picture of a score map that is not stored, as reduced and rounded scores, float32 [h, w].

        Args:
            result: A result of this run.
            frame: Id of the frame.

        Returns:
            The reduced score map; None if no picture is stored, as without a calibration.

        Raises:
            RunFolderError: The picture is damaged.
        """
        calibration = self.calibration(result)
        key = picture_key(self._scored(result).scorer.key, self._frame_record(result.benchmark, frame))
        if calibration is None or not self.store.has(key):
            return None
        data = self.artifacts.store.read(key)
        try:
            return decode_level_picture(bytes(data), calibration)
        except OSError as error:
            raise RunFolderError(f"{self.store.name(key)}: damaged ({error})", REPAIR) from None

    def binned_scores(self, result: Result) -> BinnedScores | None:
        """Return the scores of each frame of a result, counted in the bins of its sketch.

        Args:
            result: A result of this run.

        Returns:
            The counts; None if the protocol has no such sketch, or if it is not stored.
        """
        sketch = self.artifacts.sketch(self._scored(result).result_key(result.protocol))
        if not isinstance(sketch, PixelSketch):
            return None
        return BinnedScores(scores_of(sketch.bins.edges), sketch.counts)

    def prediction(self, result: Result, frame: str) -> SemanticLabels | None:
        """Return the stored classes that the result's network predicts for a frame.

        Args:
            result: A result of this run, which names network and benchmark.
            frame: Id of the frame.

        Returns:
            The classes, uint8 [H, W]; None if they are not stored or their names are not known.
        """
        classes = CLASS_SETS.get(self.record.classes or "")
        values = self._scored(result).prediction(self._frame_record(result.benchmark, frame))
        return None if classes is None or values is None else SemanticLabels(values, classes)

    def calibration(self, result: Result) -> Calibration | None:
        """Return the quantiles of the method's scores on in-distribution frames; None if the run had no such frames.

        Args:
            result: A result of this run.
        """
        return self._scored(result).calibration()

    def sketch(self, result: Result) -> Sketch | None:
        """Return the sketch of a result: counts of each frame's scores in bins. A missing one is rebuilt from the maps.

        Args:
            result: A result of this run.

        Returns:
            The sketch; None if the protocol has none.

        Raises:
            NotStoredError: Neither the sketch nor the score maps are stored.
        """
        if not result.protocol.has_sketch:
            return None
        sketch = self.artifacts.sketch(self._scored(result).result_key(result.protocol))
        return sketch if sketch is not None else self._rebuild(result)

    def breakdown(self, result: Result) -> Breakdown | None:
        """Return the detected anomalies of a result by size and place, and its false positives by class.

        Args:
            result: A result of this run.

        Returns:
            The breakdown, rebuilt from the score maps if it is missing; None if the protocol has none.

        Raises:
            NotStoredError: Neither the breakdown nor the score maps are stored.
        """
        key = self._scored(result).result_key(result.protocol)
        breakdown = self.artifacts.breakdown(key)
        if breakdown is None and result.protocol.has_sketch:
            self._rebuild(result)
            breakdown = self.artifacts.breakdown(key)
        return breakdown

    def card(self, result: Result) -> MethodCard | None:
        """Return the fact sheet of the result's method; None if the method is not available or not trusted.

        Args:
            result: A result of this run.
        """
        scorer = self.record.scorer(result.network, result.label)
        try:
            return None if scorer.given is not None else self.registry.method_card(scorer.spec.partition(":")[0])
        except (UnknownNameError, UntrustedCodeError):
            return None

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the comparisons of methods, one per benchmark, protocol and metric; empty if none is possible."""
        try:
            return compare_methods(self)
        except (NotComparableError, NotStoredError):
            return ()

    def stored_row(self, result: Result) -> Result | None:
        """Return the result as its own file in results/ states it; None if there is no such file.

        Args:
            result: A result of this run.
        """
        return self.artifacts.result(self._scored(result).result_key(result.protocol))

    def groups(self, benchmark: str) -> Sequence[str]:
        """Return the group (such as the scene) of each frame of a benchmark, in the order of the frames.

        Args:
            benchmark: Name of the benchmark.
        """
        return [frame.group for frame in self.record.benchmark(benchmark).frames]

    def _scored(self, result: Result, frames: Mapping[str, Frame] | None = None) -> ScoredBenchmark:
        """Return the stored maps of a result, with labels if `frames` are passed."""
        scorer, benchmark = self.record.scorer(result.network, result.label), self.record.benchmark(result.benchmark)
        return ScoredBenchmark(self.record, scorer, benchmark, frames or {}, self.artifacts)

    def _rebuild(self, result: Result) -> Sketch | None:
        with self.store.lock():
            frames = self.finder.all_checked(self.record.benchmark(result.benchmark), Silent())
            return rebuild_sketch(self._scored(result, frames), result.protocol)

    def report(self, name: str) -> Sequence[Path]:
        """Write a report into the folder report/ of the run.

        Args:
            name: Name of the report (`list_reports`).

        Returns:
            The files of the report.

        Raises:
            UnknownNameError: There is no report of that name.
            RunFolderError: The run is not stored in a folder.
            NotStoredError: The report shows score maps that are not stored.
        """
        if self.store.reports is None:
            raise RunFolderError(
                f"{self.location}: not a folder; reports are written into a folder",
                f"Choose a folder: oodbench report {self.location} --format {name} --out DIR",
            )
        files = self.registry.report(name).write(self, self.store.reports)
        remove_leftovers(self.store.reports)
        return files

    def evaluate(self, progress: Progress | None = None, protocols: Sequence[str] = ()) -> Run:
        """Recompute results from the stored score maps, without the networks. Results under other protocols are kept.

        Args:
            progress: Callback for progress messages; None: silent.
            protocols: Names of the protocols; empty: those that the run was started with.

        Returns:
            The run with the results under these protocols.

        Raises:
            UnknownNameError: There is no protocol of that name.
            RunFolderError: A score map is missing, another process uses the folder, or labels have changed.
        """
        progress = progress or Silent()
        validate_protocol_names(protocols)
        with self.store.lock():
            failed = self.failed
            names = [part.name for part in self.record.benchmarks if part.name not in {f.benchmark for f in failed}]
            wanted = {name: tuple(protocols) or self.record.protocols[name] for name in names}
            frames: dict[str, Frame] = {}
            for name in names:
                frames.update(self.finder.all_checked(self.record.benchmark(name), progress))
            plan = self.record.model_copy(update={"benchmarks": tuple(map(self.record.benchmark, names))})
            results = evaluate(plan, frames, self.artifacts, progress, wanted, again=True)
            write_results(self.record, results, self.artifacts, failed)
        return Run(self.store, tuple(protocols), self.access)

    def _frame(self, benchmark: str, identity: str) -> Frame:
        return self.finder.frame(self.record.benchmark(benchmark), identity)

    def _frame_record(self, benchmark: str, frame: str) -> FrameRecord:
        return next(record for record in self.record.benchmark(benchmark).frames if record.id == frame)
