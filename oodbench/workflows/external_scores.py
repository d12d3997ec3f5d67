"""External score maps: folders of files, their checks, and the maps as a run stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from oodbench.data import read_scores
from oodbench.errors import ScoreError, UsageError
from oodbench.files import digest_file, expand_home
from oodbench.numerics import resize_score
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import Anomalous
from oodbench.progress import Progress
from oodbench.text import find_fault, shorten
from oodbench.types import Resize, ScoreMap

EXTERNAL = "given"
"""Name of the method and the network of external scores."""


class ExternalScores(NamedTuple):
    """A folder of external score maps.

    Attributes:
        label: The name of the scores in results.
        folder: The folder of the score maps.
        anomalous: Whether higher or lower scores are anomalous.
        calibration: The folder of score maps of in-distribution frames; None: the scores are not calibrated.
    """

    label: str
    folder: Path
    anomalous: Anomalous
    calibration: Path | None = None

    @staticmethod
    def of(label: str, folder: str | Path, anomalous: Any, calibration: str | Path | None = None) -> ExternalScores:
        """Check the direction of the scores and return the external scores.

        Raises:
            UsageError: The direction is neither `higher` nor `lower`, or the label is not a valid name.
        """
        if fault := find_fault(label):
            raise UsageError(f"--scores {folder}: the name {shorten(label)}: {fault}", "Give another name with --name.")
        if anomalous not in get_args(Anomalous):
            raise UsageError(
                f"{label}: anomalous is {anomalous!r}; expected 'higher' or 'lower'",
                "Give the direction of the scores: --anomalous higher, or --anomalous lower.",
            )
        maps = Path(expand_home(calibration)) if calibration else None
        return ExternalScores(label, Path(expand_home(folder)), anomalous, maps)


class CheckedMaps(NamedTuple):
    """The files of a scorer's maps, read and checked.

    Attributes:
        digests: The digest of each file, by id of the frame.
        smaller: One text per map that is smaller than its labels.
    """

    digests: Mapping[str, str]
    smaller: Sequence[str]


def check_maps(label: str, files: Mapping[str, Path], frames: Sequence[FrameRecord], progress: Progress) -> CheckedMaps:
    """Read and check the map of each frame.

    Args:
        label: The name of the scores, for progress messages.
        files: Maps the id of each frame to its file.
        frames: The records of the frames.
        progress: Callback for progress messages.

    Raises:
        ScoreError: A map is damaged, larger than the labels or not finite.
    """
    digests, smaller = {}, []
    with progress.track(f"check {label}", len(frames), "score maps") as advance:
        for frame in frames:
            height, width = _read_map(files[frame.id], frame).shape
            if (height, width) != (frame.height, frame.width):
                smaller.append(f"{width} x {height} for {frame.width} x {frame.height}")
            digests[frame.id] = digest_file(files[frame.id])
            advance(1)
    return CheckedMaps(digests, smaller)


def load_map(path: Path, frame: FrameRecord, anomalous: Anomalous, resize: Resize) -> ScoreMap:
    """Return a map at the size of the labels, float32 [H, W], higher = more anomalous.

    Args:
        path: The file.
        frame: The record of the frame.
        anomalous: Whether higher or lower scores are anomalous in the file.
        resize: Interpolation for maps that are smaller than the labels.
    """
    values = _read_map(path, frame)
    score = values if anomalous == "higher" else np.negative(values)
    return resize_score(score, (frame.height, frame.width), resize)


def _read_map(path: Path, frame: FrameRecord) -> ScoreMap:
    """Read a score map; raise ScoreError if it is larger than the frame's labels."""
    score = read_scores(path)
    height, width = score.shape
    if height > frame.height or width > frame.width:
        raise ScoreError(
            f"{path}: the scores are {width} x {height} and the labels of {frame.id} are {frame.width} x "
            f"{frame.height}; expected the size of the labels or a smaller size",
            "Write the scores at the resolution of the labels, without padding.",
        )
    return score
