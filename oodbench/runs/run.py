"""A finished run, as reports and users see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import (
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
from oodbench.errors import NotComparableError, NotStoredError, RunFolderError, UnknownNameError
from oodbench.metrics import Sketch
from oodbench.planning.frame_index import FrameRecord, index_frames
from oodbench.planning.records import PHOTOGRAPHS, FrameSetRecord, PlanRecord
from oodbench.planning.request import validate_protocol_names
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.compare import compare_methods
from oodbench.runs.hidden_labels import describe_hidden_labels
from oodbench.stages.evaluate import evaluate, write_results
from oodbench.stages.sketches import rebuild_sketch
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.base import RunStore
from oodbench.storage.keys import RESULTS_FILE
from oodbench.storage.local import LocalStore
from oodbench.storage.scored_benchmark import ScoredBenchmark
from oodbench.types import AnomalyLabels, Frame, RGBImage, ScoreMap, SemanticLabels

if TYPE_CHECKING:
    import pandas as pd

# Frames of each benchmark that figures show, evenly spaced; --keep-scores figures keeps their maps.
FIGURE_FRAMES = 4


@dataclass(frozen=True)
class Run:
    """A run. Implements contracts.RunView: everything is read when asked for.

    Attributes:
        store: Where its artifacts are.
        protocols: Names of the protocols whose results are shown; empty: those that the run was asked for.
        known: The registry that the run was made with, which knows benchmarks that were passed as objects. None:
            plugins are found by name, and in the files that the plan names.
    """

    store: RunStore
    protocols: tuple[str, ...] = ()
    known: Registry | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Run, (self.store, self.protocols)  # a registry knows modules, which other processes import themselves

    @property
    def artifacts(self) -> RunArtifacts:
        """What the run has stored."""
        return RunArtifacts(self.store)

    @property
    def location(self) -> str:
        return self.store.location

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.store.location)

    @cached_property
    def registry(self) -> Registry:
        """The plugins, including the files that the run was made with."""
        return self.known or Registry(self.record.plugins)

    @cached_property
    def record(self) -> PlanRecord:
        """The plan."""
        record = self.artifacts.plan()
        if record is None:
            raise RunFolderError(f"{self.store.location}: no run in this folder; expected one with a plan.json")
        return record

    @cached_property
    def content(self) -> ResultsFile:
        """The content of result.json.

        Raises:
            RunFolderError: There is none, or it belongs to another plan than the one that the folder holds now.
        """
        content = self.artifacts.results_file()
        if content.plan != self.record.digest:
            raise RunFolderError(
                f"{self.store.location}: its result.json is older than its plan: the last run there did not finish",
                "Run the same 'oodbench run' again to resume it.",
            )
        return content

    @cached_property
    def results(self) -> Sequence[Result]:
        asked = self.protocols or tuple(
            dict.fromkeys(name for names in self.record.protocols.values() for name in names)
        )
        return list(self.content.under(asked))

    @property
    def seed(self) -> int:
        """The seed of everything random in the run."""
        return self.record.seed

    @property
    def failed(self) -> Sequence[FailedBenchmark]:
        """The benchmarks without results, because scoring or evaluating them failed."""
        return self.content.failed if self.store.has(RESULTS_FILE) else ()

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        return self.content.quality

    @property
    def notes(self) -> Sequence[str]:
        failed = [f"{failure}" for failure in self.failed]
        return [*failed, *describe_hidden_labels(self.record, self.content, self.artifacts)]

    @property
    def published(self) -> Sequence[PublishedResult]:
        """None: a run has its own rows alone; oodbench.runs.selection puts others beside them."""
        return ()

    def requirements(self, row: Result) -> Requirements:
        """Return what the method's card said when the run was planned; of external scores nothing is known."""
        return self.record.scorer(row.network, row.label).requirements

    def table(self) -> pd.DataFrame:
        """One row a network, method and benchmark; metrics as fractions, NaN where undefined."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
                | {name: np.nan if value is None else value for name, value in row.metrics.items()}
                | {"frames": row.counts["frames"], "scoring": row.scoring.upsample, "resize": row.scoring.resize}
                | {"protocol": row.protocol.name}
                for row in self.results
            ]
        )

    def frames(self, benchmark: str) -> Sequence[str]:
        return [frame.id for frame in self.record.benchmark(benchmark).frames]

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        ids = self.frames(benchmark)
        picked = np.linspace(0, len(ids) - 1, min(FIGURE_FRAMES, len(ids))).round().astype(int)
        return [ids[index] for index in picked]

    def image(self, benchmark: str, frame: str) -> RGBImage:
        return self._frame(benchmark, frame).read_image()

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        read = self._frame(benchmark, frame).read_anomaly_labels
        return None if read is None else read()

    def semantic_labels(self, benchmark: str, frame: str) -> SemanticLabels | None:
        read = self._frame(benchmark, frame).read_semantic_labels
        return None if read is None else read()

    def known_labels(self, benchmark: str, frame: str) -> AnomalyLabels:
        """Of a frame that has some.

        Raises:
            RunFolderError: it has none.
        """
        labels = self.labels(benchmark, frame)
        if labels is None:
            raise RunFolderError(f"{self.folder}: {frame} of {benchmark} has no labels")
        return labels

    def score(self, row: Result, frame: str) -> ScoreMap:
        scored = self._scored(row)
        score: ScoreMap = self.artifacts.map(scored.score_key(self._frame_record(row.benchmark, frame)))
        return score

    def prediction(self, row: Result, frame: str) -> SemanticLabels | None:
        classes = CLASS_SETS.get(self.record.classes or "")
        values = self._scored(row).prediction(self._frame_record(row.benchmark, frame))
        return None if classes is None or values is None else SemanticLabels(values, classes)

    def calibration(self, row: Result) -> Calibration | None:
        return self._scored(row).calibration()

    def sketch(self, row: Result) -> Sketch | None:
        """Return what is kept of each frame for resampling, in the order of the benchmark's frames.

        None if the protocol allows none. A file that is missing is made again.

        Raises:
            NotStoredError: Neither it nor the scores are stored.
        """
        found = self.artifacts.sketch(self._scored(row).result_key(row.protocol))
        return found if found is not None else self._rebuild(row)

    def breakdown(self, row: Result) -> Breakdown | None:
        """Return the breakdown; arguments and errors as `sketch`."""
        key = self._scored(row).result_key(row.protocol)
        if self.artifacts.breakdown(key) is None and row.protocol.thresholds == "all":
            self._rebuild(row)
        return self.artifacts.breakdown(key)

    def card(self, row: Result) -> MethodCard | None:
        scorer = self.record.scorer(row.network, row.label)
        try:
            return None if scorer.given is not None else self.registry.method(scorer.spec).card
        except UnknownNameError:
            return None

    def comparisons(self) -> Sequence[MethodComparison]:
        try:
            return compare_methods(self)
        except (NotComparableError, NotStoredError):
            return ()

    def stored_row(self, row: Result) -> Result | None:
        """Return the result as it is stored for itself; None if it is not."""
        return self.artifacts.result(self._scored(row).result_key(row.protocol))

    def groups(self, benchmark: str) -> Sequence[str]:
        """Return the group of each frame."""
        return [frame.group for frame in self.record.benchmark(benchmark).frames]

    def _scored(self, row: Result, frames: Mapping[str, Frame] | None = None) -> ScoredBenchmark:
        """The maps behind a result; with `frames` also their labels."""
        scorer, benchmark = self.record.scorer(row.network, row.label), self.record.benchmark(row.benchmark)
        return ScoredBenchmark(self.record, scorer, benchmark, frames or {}, self.artifacts)

    def _rebuild(self, row: Result) -> Sketch | None:
        with self.store.lock():
            frames = self.checked(self.record.benchmark(row.benchmark), Silent())
            return rebuild_sketch(self._scored(row, frames), row.protocol)

    def report(self, name: str) -> Sequence[Path]:
        """Write the report of that name into the run's folder, and return its files."""
        if not isinstance(self.store, LocalStore):
            raise RunFolderError(f"{self.store.location}: not a folder; reports are written into one")
        return self.registry.report(name).write(self, self.store.reports)

    def evaluate(self, progress: Progress | None = None, protocols: Sequence[str] = ()) -> Run:
        """Compute results again from the stored maps, without the networks.

        Results under other protocols stay.

        Args:
            progress: Callback for progress messages; None: silent.
            protocols: Names of the protocols; empty: those that the run was asked for.

        Returns:
            The run, showing the results under these protocols.

        Raises:
            UnknownNameError: There is no protocol of that name.
            RunFolderError: A map is not stored, another process is at work there, or the labels have changed.
        """
        progress = progress or Silent()
        validate_protocol_names(protocols)
        with self.store.lock():
            failed = self.failed
            names = [part.name for part in self.record.benchmarks if part.name not in {f.benchmark for f in failed}]
            wanted = {name: tuple(protocols) or self.record.protocols[name] for name in names}
            frames: dict[str, Frame] = {}
            for name in names:
                frames.update(self.checked(self.record.benchmark(name), progress))
            plan = self.record.model_copy(update={"benchmarks": tuple(map(self.record.benchmark, names))})
            results = evaluate(plan, frames, self.artifacts, progress, wanted, again=True)
            write_results(self.record, results, self.artifacts, failed)
        return Run(self.store, tuple(protocols), self.known)

    def checked(self, part: FrameSetRecord, progress: Progress) -> dict[str, Frame]:
        """digest -> frame, those that the run was made on.

        Raises:
            RunFolderError: they are not there any more, or their images or labels are others.
        """
        found = [self._frame(part.name, record.id) for record in part.frames]
        if index_frames(found, part.name, progress) != list(part.frames):
            raise RunFolderError(
                f"{part.folder}: the frames or labels of {part.name} are not those of the run any more",
                "Bring back the data set that the run was made on, or run again with another --out.",
            )
        return {record.digest: frame for record, frame in zip(part.frames, found, strict=True)}

    def _frame(self, benchmark: str, identity: str) -> Frame:
        part = self.record.benchmark(benchmark)
        frame = self._opened[part.name].get(identity)
        if frame is None:
            raise RunFolderError(
                f"{part.folder}: the frame {identity} of {benchmark} is not there any more",
                "Bring back the data set that the run was made on.",
            )
        return frame

    @cached_property
    def _opened(self) -> Mapping[str, Mapping[str, Frame]]:
        """benchmark -> id -> frame."""
        roots = self.record.data.roots()
        return {
            part.name: {frame.id: frame for frame in self.registry.benchmark(part.name).open(roots).frames}
            for part in self.record.benchmarks
        }

    def _frame_record(self, benchmark: str, frame: str) -> FrameRecord:
        return next(record for record in self.record.benchmark(benchmark).frames if record.id == frame)


def load(folder: str | Path, protocols: Sequence[str] = ()) -> Run:
    """Return the run in a folder.

    Args:
        folder: The folder of a run.
        protocols: Names of the protocols whose results are shown; empty: those that the run was asked for.

    Raises:
        RunFolderError: There is no run.
        UnknownNameError: There is no protocol of that name.
    """
    validate_protocol_names(protocols)
    store = LocalStore(folder)
    run = Run(store, tuple(protocols))
    if [part.name for part in run.record.benchmarks] == [PHOTOGRAPHS]:
        raise RunFolderError(
            f"{folder}: holds predictions for photographs, which have no labels; expected a run",
            f"If they are of a benchmark's frames: oodbench evaluate --scores {store.image_scores} --benchmark NAME",
        )
    return run
