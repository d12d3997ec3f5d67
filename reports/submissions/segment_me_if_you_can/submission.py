"""A submission to SegmentMeIfYouCan: a tree of HDF5 files, an archive of it, and the entry for the public table.

The scores of each frame are a file of half-precision numbers, higher = more anomalous (oodbench.data.hdf5). All frames
of a track are in one folder, as in the toolkit: anomaly_p/METHOD/AnomalyTrack-all/cow0003.hdf5. The platform
(codabench.org, competition 5402) does not publish the layout of an archive. `layout` chooses it; check the platform's
page before uploading.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field
from typing_extensions import override

from oodbench.contracts import (
    LARGEST_CHANGE,
    KnownFrame,
    Parameters,
    ProgressCallback,
    PublishedResult,
    Submission,
    SubmissionCard,
    SubmissionScorer,
    SubmittedFrame,
    WrittenSubmission,
)
from oodbench.data import open_tree, read_hdf5, write_hdf5
from oodbench.data.tracks import TRACKS
from oodbench.errors import ScoreError, UsageError
from oodbench.files import write_atomically
from oodbench.metrics import HalfMap, fit_half_map, is_half_precision, measure_change, to_half
from oodbench.reports.submissions.segment_me_if_you_can.check import (
    ENDING,
    describe_missing_parts,
    find_problems,
    index_score_files,
)
from oodbench.reports.submissions.segment_me_if_you_can.entry import ENTRY, LOST_AND_FOUND, make_entry, write_entry
from oodbench.reports.submissions.segment_me_if_you_can.public_table import read_public_rows
from oodbench.types import ScoreMap

PLUGINS = {
    "submissions": {
        "segment-me-if-you-can": ("SegmentMeIfYouCan", "the HDF5 tree of both tracks, and the entry for the table")
    }
}

_TREE = "anomaly_p"
_PARTS = {"AnomalyTrack": ("", "test", "all"), "ObstacleTrack": ("", "test", "night", "snow", "all")}


class SegmentMeIfYouCan(Submission):
    """Submission of one track or of both tracks."""

    class Params(Parameters):
        """The fields of the public table, and the layout of the archive."""

        method: str = Field("", description="name in the table; default: that of the method")
        requires_ood: bool | None = Field(None, description="yes if any data beyond Cityscapes was used, no otherwise")
        paper: str = Field("", description="address of the paper; default: that of the method")
        code: str = Field("", description="address of the code")
        layout: Literal["tracks", "flat", "toolkit"] = Field(
            "tracks",
            description="layout of the archive; tracks: one folder per track; flat: one folder; toolkit: as the tree",
        )

    card = SubmissionCard(
        name="segment-me-if-you-can",
        title="SegmentMeIfYouCan",
        url="https://segmentmeifyoucan.com/submit",
        state="open, on Codabench (competition 5402) since May 2025",
        benchmarks=(
            *(f"{track.benchmark}{f'-{part}' if part else ''}" for track in TRACKS for part in _PARTS[track.name]),
            LOST_AND_FOUND,
        ),
    )

    @override
    def write(self, scored: SubmissionScorer, out: Path, track: ProgressCallback) -> WrittenSubmission:
        params: Any = self.params
        if params.requires_ood is None:
            raise UsageError(
                "segment-me-if-you-can: requires_ood is not given; the table says of each method whether it used data "
                "beyond Cityscapes",
                "Give it: segment-me-if-you-can:requires_ood=no, or yes.",
            )
        name = params.method or scored.label
        folder = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "method"
        halves, written = {}, []
        for smiyc in TRACKS:
            frames = [frame for frame in scored.frames if smiyc.part_of(frame.id) and frame.benchmark != LOST_AND_FOUND]
            if not frames:
                continue
            lacking = describe_missing_parts(smiyc, [frame.id for frame in frames])
            if lacking:
                raise UsageError(
                    f"the run lacks frames of {smiyc.name}: {'; '.join(lacking)}",
                    f"Score them all: oodbench run --benchmark {smiyc.benchmark}-all",
                )
            chosen, halves[smiyc.name] = _choose_half_map(frames)
            with track(f"write {smiyc.name}", len(frames), "frames") as advance:
                for frame in frames:
                    path = out / _TREE / folder / smiyc.folder / f"{frame.id}{ENDING}"
                    score = _read_finite(frame)
                    write_hdf5(path, score if chosen is None else chosen(score))
                    written.append(path)
                    advance(1)
        if not written:
            raise UsageError(
                "the run has no frame of either track",
                "Score one: oodbench run --benchmark road-anomaly-21-all --benchmark road-obstacle-21-all",
            )
        write_atomically(out / f"{folder}.zip", lambda file: _pack(file, written, out, params.layout))
        table = make_entry(scored, list(halves), name, params)
        write_entry(out / ENTRY, table)
        return WrittenSubmission({"half_precision": halves, "layout": params.layout}, _make_notes(halves, table))

    @override
    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        with open_tree(path) as tree:
            yield from find_problems(tree, [frame for frame in frames if frame.benchmark != LOST_AND_FOUND])

    @override
    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        with open_tree(path) as tree:
            files = {name: there[0] for name, there in index_score_files(tree).items()}
            for frame in frames:
                if frame.id in files:
                    where = files[frame.id]
                    yield frame, read_hdf5(path / where, tree.read(where)).astype(np.float32)

    @classmethod
    @override
    def public_table(cls, path: Path) -> Sequence[PublishedResult]:
        return read_public_rows(path)


def _read_finite(frame: SubmittedFrame) -> ScoreMap:
    score = frame.read_score()
    if score.shape != frame.size or not np.isfinite(score).all():
        raise ScoreError(
            f"the stored scores of {frame.id} in {frame.benchmark} are {score.shape}, "
            f"{np.count_nonzero(~np.isfinite(score))} of them not finite; expected {frame.size}, all finite",
            "Run again with --overwrite.",
        )
    return score


def _choose_half_map(frames: Sequence[SubmittedFrame]) -> tuple[HalfMap | None, dict[str, Any]]:
    """Choose the conversion of a track's scores to half precision, None for rounding; and describe the measurements."""
    labelled = [frame for frame in frames if frame.read_labels]
    if all(is_half_precision(_read_finite(frame)) for frame in frames):
        return None, {"map": "none", "why": "every score is a half-precision number already"}
    facts: dict[str, Any] = {"why": "no labelled frame to measure on"}
    if labelled and all(to_half(frame.read_score()) is not None for frame in frames):
        rounded = measure_change(
            (score, score.astype(np.float16).astype(np.float32), labels)
            for score, labels in ((frame.read_score(), _read_labels(frame)) for frame in labelled)
        )
        facts = {"rounding_changes": rounded.largest, "on": f"{len(labelled)} labelled frames"}
        if rounded.largest < LARGEST_CHANGE:
            return None, {"map": "none", "why": f"rounding changes AP and FPR95 by less than {LARGEST_CHANGE}", **facts}
        facts["why"] = f"rounding changes AP or FPR95 by {LARGEST_CHANGE} or more"
    elif labelled:
        facts["why"] = "there are scores beyond +-65504, where half precision ends"
    fitted = fit_half_map(lambda: (frame.read_score() for frame in frames))
    return fitted, {"map": "ranks", "levels": int(fitted.codes.size), "fitted_on": f"{len(frames)} frames", **facts}


def _read_labels(frame: SubmittedFrame) -> Any:
    assert frame.read_labels is not None, "only labelled frames are measured on"
    return frame.read_labels()


def _pack(file: Any, written: Sequence[Path], out: Path, layout: str) -> None:
    """Write the archive; its members are already compressed and have no time stamps."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in written:
            parts = path.relative_to(out).parts
            name = "/".join({"tracks": parts[-2:], "flat": parts[-1:], "toolkit": parts}[layout])
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())


def _make_notes(halves: Mapping[str, Mapping[str, Any]], table: Mapping[str, Any]) -> tuple[str, ...]:
    notes = [
        "the platform does not publish how an archive has to be laid out: look at its page, and choose with layout="
    ]
    notes += [
        f"{name}: nothing says how half precision changes its metrics: no frame of it has labels; "
        "add --benchmark road-anomaly-21 or road-obstacle-21 to the run"
        for name, facts in halves.items()
        if "labelled" in facts["why"]
    ]
    if any(value is None for rows in table.values() for row in rows for value in row.values()):
        notes.append(f"{ENTRY}: the platform fills in the numbers that are null")
    return tuple(notes)


__all__ = ["SegmentMeIfYouCan"]
