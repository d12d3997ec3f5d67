"""Calibration of external scores: quantiles of their maps of in-distribution frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from oodbench.contracts import ComponentSizes, Roots
from oodbench.data import find_scores
from oodbench.errors import DataError
from oodbench.planning.frame_index import index_frames
from oodbench.planning.records import FrameSetRecord, ScorerRecord
from oodbench.planning.resolve import find_in_distribution, take_evenly
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.stages.calibrate import make_calibration, sample_scores
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import calibration_key
from oodbench.types import Frame, Resize
from oodbench.workflows.external_scores import CheckedMaps, check_maps, load_map


class CalibrationFrames(NamedTuple):
    """The in-distribution frames of a calibration, with their record."""

    record: FrameSetRecord
    frames: Sequence[Frame]


def find_calibration_frames(
    registry: Registry, roots: Roots, world: str, limit: int | None, progress: Progress
) -> CalibrationFrames:
    """Return the frames on which a run would calibrate: evenly spaced ones of a dataset's validation split.

    Args:
        registry: The registry.
        roots: The folders to search for a dataset.
        world: The name of a synthetic dataset; empty: a dataset on disk.
        limit: Maximum number of frames; None: the default of the dataset.
        progress: Callback for progress messages.

    Raises:
        DataNotFoundError: No dataset was found.
        UsageError: Several datasets were found.
        DataError: A frame is invalid or has no labels.
    """
    _, part = find_in_distribution(registry, roots, None, world)
    chosen = take_evenly(part.found, limit)
    if any(frame.read_semantic_labels is None for frame in chosen.frames):
        raise DataError(f"{part.name} {part.split}: its frames have no labels", "Choose another dataset.")
    records = index_frames(chosen.frames, part.name, progress)
    record = FrameSetRecord.of(part.name, part.title, part.split, part.found, records, ComponentSizes())
    return CalibrationFrames(record, chosen.frames)


def check_calibration_maps(
    label: str, folder: Path, part: CalibrationFrames, progress: Progress
) -> tuple[Mapping[str, Path], CheckedMaps]:
    """Find and check the map of each calibration frame; return the files by id, and what was checked.

    Raises:
        ScoreError: A map is missing or invalid.
    """
    files = find_scores(folder, [frame.id for frame in part.record.frames]).files
    return files, check_maps(f"{label} (calibration)", files, part.record.frames, progress)


def calibrate_external(
    scorer: ScorerRecord,
    files: Mapping[str, Path],
    part: CalibrationFrames,
    resize: Resize,
    artifacts: RunArtifacts,
    progress: Progress,
) -> None:
    """Store the calibration of external scores, computed as `oodbench run` computes that of a method.

    Args:
        scorer: The record of the scores.
        files: Maps the id of each calibration frame to the file of its map.
        part: The calibration frames.
        resize: Interpolation for maps that are smaller than the labels.
        artifacts: The artifacts of the run.
        progress: Callback for progress messages.
    """
    key = calibration_key(scorer.key, part.record)
    if artifacts.calibration(key) is not None:
        return
    samples = []
    with progress.track(f"calibrate {scorer.label}", len(part.frames), "score maps") as advance:
        for frame, record in zip(part.frames, part.record.frames, strict=True):
            assert frame.read_semantic_labels is not None, "calibration frames have labels"
            score = load_map(files[record.id], record, scorer.params["anomalous"], resize)
            samples.append(sample_scores(score, frame.read_semantic_labels(), len(part.frames)))
            advance(1)
    artifacts.write_calibration(key, make_calibration(samples, part.record))
