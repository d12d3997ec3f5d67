"""Evaluation of external scores: check them, import them into a run and evaluate them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from oodbench.contracts import Roots, Scoring
from oodbench.data import find_scores, read_scores
from oodbench.errors import ScoreError, UsageError
from oodbench.files import digest_bytes, digest_file
from oodbench.metrics.protocols import DEFAULT_PROTOCOL
from oodbench.numerics import NUMERICS_VERSION, resize_score
from oodbench.planning.frame_choice import choose_frames
from oodbench.planning.frame_index import FrameRecord, index_frames
from oodbench.planning.plan import Plan, resolve_protocols
from oodbench.planning.records import (
    Anomalous,
    ExternalScoresRecord,
    FrameSetRecord,
    PlanRecord,
    RootsRecord,
    ScorerRecord,
    SegmenterRecord,
)
from oodbench.planning.request import IfExists, Request, data_roots
from oodbench.planning.resolve import find_benchmarks, validate_named_roots
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import score_key
from oodbench.types import Resize, ScoreMap, Size
from oodbench.workflows.arguments import OneOrMore, as_frame_choices, as_tuple
from oodbench.workflows.run import open_run_folder, write_reports

EXTERNAL = "given"
"""Name of the method and the network of external scores."""


class ExternalScores(NamedTuple):
    """A folder of external score maps.

    Attributes:
        label: The name of the scores in results.
        folder: The folder of the score maps.
        anomalous: Whether higher or lower scores are anomalous.
    """

    label: str
    folder: Path
    anomalous: Anomalous

    @staticmethod
    def of(label: str, folder: str | Path, anomalous: Any) -> ExternalScores:
        """Check the direction of the scores and return the external scores.

        Raises:
            UsageError: The direction is neither `higher` nor `lower`.
        """
        if anomalous not in get_args(Anomalous):
            raise UsageError(
                f"{label}: anomalous is {anomalous!r}; expected 'higher' or 'lower'",
                "Give the direction of the scores: --anomalous higher, or --anomalous lower.",
            )
        return ExternalScores(label, Path(folder), anomalous)


def evaluate_scores(
    scores: Mapping[str, str | Path] | OneOrMore,
    benchmark: str,
    *,
    anomalous: Anomalous | Mapping[str, Anomalous],
    data: OneOrMore | Mapping[str, str | Path] = (),
    resize: Resize = "bilinear",
    protocols: Sequence[str] = (DEFAULT_PROTOCOL,),
    limit: int | Literal["all"] | None = None,
    frames: OneOrMore | Mapping[str, OneOrMore] = (),
    out: str | Path | None = None,
    if_exists: IfExists = "continue",
    stop_after: Literal["evaluate", "report"] = "report",
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> Run:
    """Evaluate score maps that other code wrote on a benchmark, as `oodbench evaluate --scores` does.

    A score map holds the anomaly score of each pixel of a frame. Each folder contains one file per frame, named
    `ID.npy`, `ID.npz`, `ID.hdf5` or `ID.h5` (floats), or `ID.png` (16 bits). ID is the `id` of the frame in
    `load_benchmark(NAME)`. A score map has the size of the frame's labels. A smaller map is resized to this size.

    Args:
        scores: Mapping from a name to a folder of score maps; or one or more folders, whose own names are then used.
            The results show these names in the place of a method.
        benchmark: Name of the benchmark to which the score maps belong.
        anomalous: `higher` or `lower`: the direction in which scores are more anomalous. Pass one word for all folders,
            or a mapping from each name to a word.
        data: Folders to search for the benchmark, or a mapping from its name to its folder.
        resize: Interpolation of smaller score maps: `bilinear` with half-pixel centres, or `bilinear-aligned` with
            aligned corners.
        protocols: Names of protocols, the sets of rules that turn scores into metrics (`list_protocols`). `leaderboard`
            stands for the protocol of the benchmark's own leaderboard.
        limit: Number of frames, from the first, or `all`. None: the benchmark's default.
        frames: Ids of the frames to evaluate, or files with one id per line. Not together with `limit`. Empty: the
            frames that `limit` selects.
        out: The folder for the results. None: a folder in runs/, whose name contains a hash of score maps, frames and
            settings, so that the same call finds the same folder.
        if_exists: What to do if the folder contains a run (results of an earlier call). `continue`: resume that run if
            it has the score maps, frames and settings of this call, otherwise raise an error. `reuse`: make the new run
            in this folder even if the run there has other score maps, frames or settings. Stored files that are valid
            for the new run are used again. `overwrite`: delete the run in the folder and start from scratch.
        stop_after: The last stage to execute: `evaluate` (compute the metrics), or `report` (also write the reports).
        plugins: Python files with your own benchmarks or reports.
        progress: Callback for progress messages; None: silent.

    Returns:
        A run as `oodbench.run` returns it. Its method `table` returns the results as a table.

    Raises:
        UsageError: An argument, or a combination of arguments, is not valid; for example, `anomalous` lacks a name.
        UnknownNameError: There is no benchmark or protocol of that name.
        DataError: The benchmark is missing (`DataNotFoundError`) or not intact.
        ScoreError: A score map is missing, damaged, larger than its labels or not finite.
        RunFolderError: The folder is not writable, is in use, or belongs to another run.
        PluginError: A plugin file is missing or not valid.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import oodbench
        >>> frame = oodbench.load_benchmark("streets-anomaly")[0]
        >>> folder = Path("my-scores")
        >>> folder.mkdir()
        >>> np.save(folder / f"{frame.id}.npy", np.random.default_rng(0).random(frame.read_size()))
        >>> run = oodbench.evaluate_scores(
        ...     folder, "streets-anomaly", anomalous="higher", limit=1, stop_after="evaluate", out="run"
        ... )
        >>> round(float(run.table()["AUROC"][0]), 2)  # random scores
        0.5
    """
    by_label = scores if isinstance(scores, Mapping) else {}
    pairs = list(by_label.items()) or [(Path(folder).absolute().name, folder) for folder in as_tuple(scores)]
    labels = [label for label, _ in pairs]
    directions = anomalous if isinstance(anomalous, Mapping) else dict.fromkeys(labels, anomalous)
    request = Request.of(
        benchmarks=(benchmark,),
        data=as_tuple(data),
        resize=resize,
        limit=limit,
        frames=as_frame_choices(frames),
        out=out,
        protocols=tuple(protocols),
        if_exists=if_exists,
        stop_after=stop_after,
        plugins=as_tuple(plugins),
    )
    external = [ExternalScores.of(label, folder, directions.get(label)) for label, folder in pairs]
    return evaluate_external_scores(request, external, progress or Silent())


def evaluate_external_scores(request: Request, given: Sequence[ExternalScores], progress: Progress) -> Run:
    """Check the files of all frames, import them into a run, evaluate them and write the reports.

    Args:
        request: The request, with one benchmark.
        given: The external scores.
        progress: Callback for progress messages.

    Raises:
        OodbenchError: The request or a file is invalid. If a file is invalid, nothing is written.
    """
    registry = Registry(request.plugins)
    plan, files = _make_plan(request, given, registry, progress)
    notes = (note for scorer in plan.record.scorers if scorer.given for note in scorer.given.notes)
    for warning in (*registry.warnings, *notes):
        progress.warn(warning)
    with open_run_folder(request, plan) as store:
        _copy_maps(plan.record, files, RunArtifacts(store), progress)
    run = Run(store).evaluate(progress)
    if request.stop_after == "report":
        write_reports(run, progress)
    return run


Files = Mapping[str, Mapping[str, Path]]
"""The score maps' files by label and frame id."""


def _make_plan(
    request: Request, given: Sequence[ExternalScores], registry: Registry, progress: Progress
) -> tuple[Plan, Files]:
    if not given:
        raise UsageError("no folder of score maps was given", "Give at least one folder with --scores.")
    labels = [external.label for external in given]
    duplicate = next((label for label in labels if labels.count(label) > 1), None)
    if duplicate is not None:
        raise UsageError(f"two --scores are called '{duplicate}'", "Give each its own name with --name.")
    data, _ = data_roots(request.data, ())
    validate_named_roots(data, data, registry)
    ((name, found),) = find_benchmarks(request, registry, data, "").items()
    frames = choose_frames({name: found}, request)[name].frames
    records = index_frames(frames, name, progress)
    card = registry.benchmark(name).card
    part = FrameSetRecord.of(name, card.title, "", found, records, card.components)
    ids = {frame.id for frame in found.frames}
    files, scorers = {}, []
    for external in given:
        matched = find_scores(external.folder, [frame.id for frame in frames])
        notes = _unmatched_notes(external, name, [path for stem, path in matched.others.items() if stem not in ids])
        files[external.label] = matched.files
        scorers.append(_make_scorer_record(external, matched.files, part, notes, request.resize, progress))
    network = SegmenterRecord(
        name=EXTERNAL,
        source=EXTERNAL,
        card=None,
        digest=digest_bytes(json.dumps([scorer.key for scorer in scorers]).encode()),
        device="none",
        expected_miou=None,
        expected_mean_confidence=None,
    )
    record = PlanRecord(
        networks=(network,),
        scorers=tuple(scorers),
        skipped=(),
        benchmarks=(part,),
        fit=None,
        calibrate=None,
        scoring=Scoring("given", request.resize),
        protocols={name: resolve_protocols(request.protocols, card)},
        seed=request.seed,
        batch_size=request.batch_size,
        limit=request.limit,
        chosen=bool(request.frames),
        data=RootsRecord.of(data),
        id_data=RootsRecord.of(Roots()),
        plugins=tuple(path.absolute() for path in request.plugins),
        classes=None,
    )
    frames_by_digest = {record.digest: frame for record, frame in zip(records, frames, strict=True)}
    return Plan(record, {}, {}, frames_by_digest), files


def _unmatched_notes(external: ExternalScores, benchmark: str, others: Sequence[Path]) -> list[str]:
    if not others:
        return []
    first = others[0].relative_to(external.folder)
    return [f"{external.label}: {len(others)} of its score maps match no frame of {benchmark}; the first is {first}"]


def _make_scorer_record(
    external: ExternalScores,
    files: Mapping[str, Path],
    part: FrameSetRecord,
    notes: Sequence[str],
    resize: Resize,
    progress: Progress,
) -> ScorerRecord:
    """Read and check every file, and return the record of the external scores."""
    digests, smaller = [], []
    images: dict[str, tuple[str, str]] = {}
    with progress.track(f"check {external.label}", len(part.frames), "score maps") as advance:
        for frame in part.frames:
            size = _read_map(files[frame.id], frame).shape
            if size != (frame.height, frame.width):
                smaller.append(f"{size[1]} x {size[0]} for {frame.width} x {frame.height}")
            digest = digest_file(files[frame.id])
            first_frame, first_digest = images.setdefault(frame.key, (frame.id, digest))
            if first_digest != digest:  # maps are stored by image, so that an image has only one map
                raise ScoreError(
                    f"{external.folder}: {first_frame} and {frame.id} are the same image, but their score maps differ",
                    "Write the same score map for both frames.",
                )
            digests.append([frame.id, digest])
            advance(1)
    if smaller:
        count = f"{len(smaller)} of {len(part.frames)} score maps"
        notes = [
            *notes,
            f"{external.label}: {count} are smaller than their labels ({smaller[0]}) and are resized ({resize})",
        ]
    depends_on = {"files": digests, "anomalous": external.anomalous, "resize": resize, "numerics": NUMERICS_VERSION}
    return ScorerRecord(
        key=f"{EXTERNAL}-{digest_bytes(json.dumps(depends_on, sort_keys=True).encode())[:12]}",
        network=EXTERNAL,
        spec=external.label,
        method=EXTERNAL,
        params={"anomalous": external.anomalous},
        label=external.label,
        version=1,
        fits=False,
        given=ExternalScoresRecord(folder=external.folder.absolute(), anomalous=external.anomalous, notes=tuple(notes)),
    )


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


def _copy_maps(record: PlanRecord, files: Files, artifacts: RunArtifacts, progress: Progress) -> None:
    """Store each map at the size of its labels, higher = more anomalous."""
    resize = record.scoring.resize
    (part,) = record.benchmarks
    for scorer in record.scorers:
        with progress.track(f"import {scorer.label}", len(part.frames), "score maps") as advance:
            for frame in part.frames:
                size: Size = (frame.height, frame.width)
                key = score_key(scorer.key, frame.key)
                if not artifacts.has_map(key, size):
                    values = _read_map(files[scorer.label][frame.id], frame)
                    score = values if scorer.params["anomalous"] == "higher" else np.negative(values)
                    artifacts.write_map(key, resize_score(score, size, resize))
                advance(1)
