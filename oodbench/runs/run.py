"""A run that was made, as reports and users see it."""

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
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirements,
    Result,
)
from oodbench.errors import NotComparableError, NotStoredError, RunFolderError, UnknownNameError
from oodbench.metrics import POOLED, PROTOCOLS, Sketch
from oodbench.planning.frame_index import index_frames
from oodbench.planning.records import PHOTOGRAPHS, FrameSetRecord, PlanRecord, ScorerRecord
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.hidden_labels import describe_hidden_labels
from oodbench.stages.calibrate import calibration_key
from oodbench.stages.evaluate import evaluate, read_result, result, result_key
from oodbench.stages.sketches import rebuild_sketch
from oodbench.storage.local import MAPS, LocalStore
from oodbench.storage.maps import read_prediction
from oodbench.types import AnomalyLabels, Frame, RGBImage, ScoreMap, SemanticLabels

if TYPE_CHECKING:
    import pandas as pd

# Frames of each benchmark that figures show, evenly spaced; --keep-scores figures keeps their maps.
FIGURE_FRAMES = 4


@dataclass(frozen=True)
class Run:
    """A run in its folder. Implements contracts.RunView: everything is read when asked for."""

    folder: Path

    @cached_property
    def store(self) -> LocalStore:
        """The files of the run."""
        return LocalStore(self.folder)

    @cached_property
    def registry(self) -> Registry:
        """The plugins, those files included that the run was made with."""
        return Registry(self.record.plugins)

    @cached_property
    def record(self) -> PlanRecord:
        """The plan."""
        record = self.store.plan()
        if record is None:
            raise RunFolderError(f"{self.folder}: no run in this folder; expected one with a plan.json")
        return record

    @property
    def result(self) -> Mapping[str, Any]:
        """The content of result.json.

        Raises:
            RunFolderError: there is none, or it is of another plan than the one that the folder holds now.
        """
        content = read_result(self.store)
        if content.get("plan") != self.record.digest:
            raise RunFolderError(
                f"{self.folder}: its result.json is older than its plan: the last run there did not come to the end",
                "Run the same 'oodbench run' again to go on with it.",
            )
        return content

    @cached_property
    def rows(self) -> Sequence[Result]:
        return [Result.model_validate(row) for row in self.result["rows"]]

    @property
    def quality(self) -> Mapping[str, Mapping[str, Any]]:
        quality: Mapping[str, Mapping[str, Any]] = self.result["quality"]
        return quality

    @property
    def notes(self) -> Sequence[str]:
        return describe_hidden_labels(self.record, self.rows, self.store)

    @property
    def published(self) -> Sequence[PublishedResult]:
        """None: a run has its own rows alone; oodbench.runs.selection puts others beside them."""
        return ()

    def contamination(self, row: Result) -> Requirements:
        """As the method's card says; without one nothing is known."""
        card = self.card(row)
        if card is None:
            return Requirements()
        return Requirements(retraining=card.retraining, extra_network=card.extra_network, ood_data=card.ood_data)

    def table(self) -> pd.DataFrame:
        """One row a network, method and benchmark; metrics as fractions, NaN where undefined."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"network": row.network, "method": row.method, "label": row.label, "benchmark": row.benchmark}
                | {name: np.nan if value is None else value for name, value in row.metrics.items()}
                | {"frames": row.counts["frames"], "scoring": row.scoring["upsample"], "resize": row.scoring["resize"]}
                | {"protocol": row.protocol["name"]}
                for row in self.rows
            ]
        )

    def frames(self, benchmark: str) -> Sequence[str]:
        return [frame.id for frame in self._set(benchmark).frames]

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
        return self.store.read_map("scores", self._scorer_key(row), self._frame_key(row.benchmark, frame))

    def prediction(self, row: Result, frame: str) -> SemanticLabels | None:
        classes = CLASS_SETS.get(self.record.classes or "")
        values = read_prediction(self.record, row.network, self._frame_key(row.benchmark, frame), self.store)
        return None if classes is None or values is None else SemanticLabels(values, classes)

    def _frame_key(self, benchmark: str, frame: str) -> str:
        return next(record.key for record in self._set(benchmark).frames if record.id == frame)

    def calibration(self, row: Result) -> Calibration | None:
        part = self.record.calibrate
        return None if part is None else self.store.calibration(calibration_key(self._scorer_key(row), part))

    def sketch(self, row: Result) -> Sketch | None:
        """What is kept of each frame for resampling, in the order of the benchmark's frames.

        None where the row's protocol allows of none. Where the file is not there any more it is made again.

        Raises:
            NotStoredError: neither it nor the scores are stored.
        """
        found = self.store.sketch(self._row_key(row))
        return found if found is not None else self._look_again(row)

    def strata(self, row: Result) -> Breakdown | None:
        """As `sketch`."""
        name = f"strata/{self._row_key(row)}.json"
        if (content := self.store.read_json(name)) is None and row.protocol["thresholds"] == "all":
            self._look_again(row)
            content = self.store.read_json(name)
        return None if content is None else Breakdown.model_validate(content)

    def card(self, row: Result) -> MethodCard | None:
        scorer = self._scorer(row)
        try:
            return None if scorer.given is not None else self.registry.method(scorer.spec).card
        except UnknownNameError:
            return None

    def comparisons(self) -> Sequence[MethodComparison]:
        from oodbench.runs.compare import compare_methods  # which knows this module

        try:
            return compare_methods(self)
        except (NotComparableError, NotStoredError):
            return ()

    def stored_row(self, row: Result) -> Result | None:
        """The row as the file in rows/ has it; None where there is none."""
        return self.store.row(self._row_key(row))

    def groups(self, benchmark: str) -> Sequence[str]:
        """The group of each frame."""
        return [frame.group for frame in self._set(benchmark).frames]

    def _look_again(self, row: Result) -> Sketch | None:
        part = self._set(row.benchmark)
        record = self.record.model_copy(update={"protocol": row.protocol["name"]})
        with self.store.locked():
            frames = self.checked(part, Silent())
            return rebuild_sketch(self._row_key(row), record, self._scorer(row), part, frames, self.store)

    def report(self, name: str) -> Sequence[Path]:
        """Write the report of that name into the run's folder, and return its files."""
        return self.registry.report(name).write(self, self.folder / "report")

    def evaluate(self, progress: Progress | None = None, protocols: Sequence[str] = (POOLED.name,)) -> Run:
        """Compute rows anew from the stored maps, without the networks; returns the run with the new rows.

        Args:
            progress: where news go; nowhere by default.
            protocols: under which the maps are read; a table of its own is made for each.

        Raises:
            UnknownNameError: there is no protocol of that name.
            RunFolderError: a map is not stored, another process is at work there, or the labels have changed.
        """
        progress = progress or Silent()
        validate_protocol_names(protocols)
        with self.store.locked():
            frames: dict[str, Frame] = {}
            for part in self.record.benchmarks:
                frames.update(self.checked(part, progress))
            rows = []
            for name in protocols:
                record = self.record.model_copy(update={"protocol": name})
                rows += evaluate(record, frames, self.store, progress, again=True)
            self.store.write_json("result.json", result(self.record, rows, self.store))
        return Run(self.folder)

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
        part = self._set(benchmark)
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

    def _set(self, benchmark: str) -> FrameSetRecord:
        for part in self.record.benchmarks:
            if part.name == benchmark:
                return part
        raise UnknownNameError("benchmark in this run", benchmark, [part.name for part in self.record.benchmarks])

    def _scorer_key(self, row: Result) -> str:
        return self._scorer(row).key

    def _scorer(self, row: Result) -> ScorerRecord:
        return next(
            scorer for scorer in self.record.scorers if (scorer.network, scorer.label) == (row.network, row.label)
        )

    def _row_key(self, row: Result) -> str:
        record = self.record.model_copy(update={"protocol": row.protocol["name"]})
        return result_key(record, self._scorer(row), self._set(row.benchmark))


def validate_protocol_names(names: Sequence[str]) -> None:
    """Refuse a name that is no protocol's."""
    for name in names:
        if name not in PROTOCOLS:
            raise UnknownNameError("protocol", name, PROTOCOLS, "oodbench list protocols")


def load(folder: str | Path) -> Run:
    """The run in a folder.

    Raises:
        RunFolderError: there is none.
    """
    run = Run(Path(folder))
    if [part.name for part in run.record.benchmarks] == [PHOTOGRAPHS]:
        raise RunFolderError(
            f"{folder}: holds predictions for photographs, which have no labels; expected a run",
            f"If they are of a benchmark's frames: oodbench evaluate --scores {run.folder / MAPS} --benchmark NAME",
        )
    return run
