"""A submission to Fishyscapes: the container, and the files that it writes.

Each image DDDD_<id>_rgb.png of /input becomes two files of the image's size in /output: DDDD_anomaly.npy (floats,
higher = more anomalous) and DDDD_segmentation.npy (trainIds of Cityscapes). A pull request states AP and FPR95 on the
validation frames of Lost & Found, which have to be reproduced within 0.01. The leaderboard no longer accepts
submissions; its format remains useful for checks of your own code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from typing_extensions import override

from oodbench.contracts import (
    SIDE_FILE,
    KnownFrame,
    ProgressCallback,
    Submission,
    SubmissionCard,
    SubmissionScorer,
    SubmittedFrame,
    WrittenSubmission,
)
from oodbench.data import Tree, open_tree, read_array
from oodbench.errors import DataError, ScoreError, UsageError
from oodbench.files import write_atomically
from oodbench.metrics import POOLED, make_evaluation
from oodbench.reports.submissions.fishyscapes.container import write_container
from oodbench.types import CITYSCAPES_19, ClassMap, ScoreMap, Size

PLUGINS = {"submissions": {"fishyscapes": ("Fishyscapes", "the container, its output, and the validation performance")}}

_SIZE: Size = (1024, 2048)
_CLASSES = 20
_PERFORMANCE = "validation_performance.json"
_NUMBER = re.compile(r"(\d{4})(_.*)?$")
_KINDS = ("anomaly", "segmentation")


class Fishyscapes(Submission):
    """The 100 validation frames of Lost & Found. The test frames are hidden and available only to the container."""

    card = SubmissionCard(
        name="fishyscapes",
        title="Fishyscapes",
        url="https://fishyscapes.com/submission",
        state="closed: its form takes no submissions; as its maintainer said in February 2026",
        benchmarks=("fishyscapes-lost-and-found",),
        images=True,
    )

    @override
    def write(self, scored: SubmissionScorer, out: Path, track: ProgressCallback) -> WrittenSubmission:
        expected = scored.expected[self.card.benchmarks[0]]
        if len(scored.frames) != expected:
            raise UsageError(
                f"the run has {len(scored.frames)} frames of {self.card.benchmarks[0]}; expected all {expected}",
                "Run again with --limit all on a complete copy.",
            )
        if scored.method is None:
            raise UsageError(
                "this run has external scores and no network for the container", "Give a run of a network."
            )
        if scored.classes != CITYSCAPES_19:
            classes = scored.classes.name if scored.classes else "unknown"
            raise UsageError(
                f"the network's classes are {classes}; expected {CITYSCAPES_19.name}",
                "Use a network with these classes.",
            )
        with track("write frames", len(scored.frames), "frames") as advance:
            for frame in scored.frames:
                prediction = frame.read_prediction() if frame.read_prediction else None
                self.write_image(out / "output", f"{frame.index:04d}_{frame.id}", frame.read_score(), prediction)
                advance(1)
        evaluation = make_evaluation(POOLED)
        for frame, score in self.read(out, scored.frames):
            assert frame.read_labels is not None, "the labels of these frames are public"
            evaluation.update(score, frame.read_labels())
        values = evaluation.metrics().values
        performance = {"ap": values["AP"], "fpr": values["FPR95"]}
        text = json.dumps(performance, indent=4) + "\n"
        write_atomically(out / _PERFORMANCE, lambda file: file.write(text.encode()))
        command = write_container(scored, out / "container", self.card.name)
        return WrittenSubmission({"command": command}, ("build it where Apptainer is: see container/submission.def",))

    @override
    def write_image(self, out: Path, name: str, score: ScoreMap, prediction: ClassMap | None) -> None:
        number = _NUMBER.match(name)
        if number is None:
            raise UsageError(
                f"the image {name} has no number; expected DDDD_<id>_rgb.png, as 0007_street_rgb.png",
                "Rename the image.",
            )
        if prediction is None:
            raise UsageError("there are no predicted classes", "Use a network with class maps.")
        if not np.isfinite(score).all():
            broken = int(np.count_nonzero(~np.isfinite(score)))
            raise ScoreError(
                f"{name}: {broken} of {score.size} scores are not finite",
                "Check the method and the output of the network.",
            )
        for kind, values in zip(_KINDS, (score, prediction), strict=True):
            _save(out / f"{number[1]}_{kind}.npy", values)

    @override
    def check(self, path: Path, frames: Sequence[KnownFrame] = ()) -> Iterator[str]:
        with open_tree(path) as tree:
            yield from _find_problems(tree, {f"{frame.index:04d}": frame.size for frame in frames})

    @override
    def read(self, path: Path, frames: Sequence[SubmittedFrame]) -> Iterator[tuple[SubmittedFrame, ScoreMap]]:
        with open_tree(path) as tree:
            files, _ = _index_files(tree)
            for frame in frames:
                names = files.get((f"{frame.index:04d}", "anomaly"))
                if names:
                    yield frame, read_array(Path(names[0]), tree.read(names[0])).astype(np.float32)


def _save(path: Path, values: Any) -> None:
    write_atomically(path, lambda file: np.save(file, values, allow_pickle=False))


def _index_files(tree: Tree) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """Index the files by (number, kind), and list unexpected files."""
    files: dict[tuple[str, str], list[str]] = {}
    strays = []
    for name in tree.names:
        path = PurePosixPath(name)
        stem, _, kind = path.stem.rpartition("_")
        number = _NUMBER.match(stem)
        inside = path.parent.name in ("", "output") and len(path.parts) <= 2
        if inside and number and kind in _KINDS and path.suffix == ".npy":
            files.setdefault((number[1], kind), []).append(name)
        elif name not in (SIDE_FILE, _PERFORMANCE) and path.parts[0] != "container":
            strays.append(name)
    return files, strays


def _find_problems(tree: Tree, sizes: Mapping[str, Size]) -> Iterator[str]:
    files, strays = _index_files(tree)
    for name in strays:
        yield f"{name}: expected DDDD_anomaly.npy or DDDD_segmentation.npy, in one folder. Remove or rename it."
    if not files:
        yield f"{tree.path}: no file DDDD_anomaly.npy. Write two files per image."
    if _PERFORMANCE in tree.names:
        yield from _check_performance(tree.read(_PERFORMANCE))
    numbers = sorted({number for number, _ in files} | set(sizes))
    for number in numbers:
        if sizes and number not in sizes:
            yield f"{tree.path}: there is no image {number}. Remove its files."
            continue
        shapes = []
        for kind in _KINDS:
            names = files.get((number, kind), [])
            if not names:
                yield f"{tree.path}: {number}_{kind}.npy is missing."
            if len(names) > 1:
                yield f"{names[0]}: {names[1]} has the same image. Keep one of the two."
            for name in names[:1]:
                values = None
                try:
                    values = read_array(Path(name), tree.read(name))
                except (DataError, ScoreError) as error:
                    yield " ".join(filter(None, (f"{error.problem}.", error.remedy)))
                if values is not None:
                    shapes.append(values.shape)
                    yield from _check_content(name, kind, values, sizes.get(number, _SIZE))
        if len(set(shapes)) > 1:
            yield f"{tree.path}: the two maps of {number} are {shapes[0]} and {shapes[1]}; expected one size."


def _check_content(name: str, kind: str, values: Any, size: Size) -> Iterator[str]:
    wanted = "f" if kind == "anomaly" else "iu"
    if values.dtype.kind not in wanted:
        yield f"{name}: contains {values.dtype}; expected {'floats' if kind == 'anomaly' else 'integers'}."
    if values.shape != size:
        yield f"{name}: {values.shape}; expected {size}, [height, width] of the image."
    if values.dtype.kind == "f":
        broken = int(np.count_nonzero(~np.isfinite(values)))
        if broken:
            yield f"{name}: {broken} of {values.size} values are NaN or infinite; expected finite values."
    if kind == "segmentation" and values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= _CLASSES:
            yield f"{name}: classes from {low} to {high}; expected 0 to {_CLASSES - 1}, the trainIds of Cityscapes."


def _check_performance(content: bytes) -> Iterator[str]:
    try:
        performance = json.loads(content)
    except ValueError as error:
        yield f"{_PERFORMANCE}: not JSON ({error})."
        return
    if not isinstance(performance, dict) or set(performance) != {"ap", "fpr"}:
        yield f"{_PERFORMANCE}: expected an object with ap and fpr, and nothing else."
        return
    for key, value in performance.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            yield f"{_PERFORMANCE}: {key} is {value!r}; expected a fraction from 0 to 1."
