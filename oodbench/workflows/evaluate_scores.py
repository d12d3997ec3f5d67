"""Score maps of anybody's code in the place of a network's: checked, taken into a run's folder, evaluated as any."""

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
from oodbench.planning.resolve import find_benchmarks, take_first, validate_named_roots
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import score_key
from oodbench.types import Resize, ScoreMap, Size
from oodbench.workflows.arguments import OneOrMore, as_tuple
from oodbench.workflows.run import open_run_folder, write_reports

EXTERNAL = "given"
"""Stands for method and network of scores that were given."""


class ExternalScores(NamedTuple):
    """A folder of score maps, what to call it, and which scores in it are the anomalous ones."""

    label: str
    folder: Path
    anomalous: Anomalous

    @staticmethod
    def of(label: str, folder: str | Path, anomalous: Any) -> ExternalScores:
        """Checked."""
        if anomalous not in get_args(Anomalous):
            raise UsageError(
                f"{label}: anomalous is {anomalous!r}; expected 'higher' or 'lower'",
                "Say which scores are the anomalous ones: --anomalous higher, or lower.",
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
    out: str | Path | None = None,
    if_exists: IfExists = "continue",
    stop_after: Literal["evaluate", "report"] = "report",
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> Run:
    """`oodbench evaluate --scores` from Python (docs/scores.md).

    Args:
        scores: label -> folder of score maps; or folders, whose names are the labels.
        benchmark: public name of the benchmark whose frames they are of.
        anomalous: which scores are the anomalous ones, `higher` or `lower`; or that by label.
        data, resize, limit, out, if_exists, stop_after, plugins, progress: As `oodbench.run`.
        protocols: under which the scores are read.

    Returns:
        A run as any other, without networks.

    Raises:
        OodbenchError: a mistake that can be mended; the message says how.
    """
    named = scores if isinstance(scores, Mapping) else {}
    pairs = list(named.items()) or [(Path(folder).absolute().name, folder) for folder in as_tuple(scores)]
    ways = anomalous if isinstance(anomalous, Mapping) else dict.fromkeys((label for label, _ in pairs), anomalous)
    request = Request.of(
        benchmarks=(benchmark,),
        data=as_tuple(data),
        resize=resize,
        limit=limit,
        out=out,
        protocols=tuple(protocols),
        if_exists=if_exists,
        stop_after=stop_after,
        plugins=as_tuple(plugins),
    )
    given = [ExternalScores.of(label, folder, ways.get(label)) for label, folder in pairs]
    return evaluate_external_scores(request, given, progress or Silent())


def evaluate_external_scores(request: Request, given: Sequence[ExternalScores], progress: Progress) -> Run:
    """Check the files of all frames, take them in, evaluate them, make the reports.

    Raises:
        OodbenchError: see `evaluate_scores`; nothing has been written where a file is not what it should be.
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
"""label -> id of a frame -> file."""


def _make_plan(
    request: Request, given: Sequence[ExternalScores], registry: Registry, progress: Progress
) -> tuple[Plan, Files]:
    if not given:
        raise UsageError("no folder of score maps was given", "Expected one or more.")
    labels = [each.label for each in given]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise UsageError(f"two --scores are called '{twice}'", "Give each a name of its own with --name.")
    data, _ = data_roots(request.data, ())
    validate_named_roots(data, data, registry)
    ((name, found),) = find_benchmarks(request, registry, data, "").items()
    frames = take_first(found, request.limit).frames
    records = index_frames(frames, name, progress)
    card = registry.benchmark(name).card
    part = FrameSetRecord.of(name, card.title, "", found, records, card.components)
    ids = {frame.id for frame in found.frames}
    files, scorers = {}, []
    for each in given:
        matched = find_scores(each.folder, [frame.id for frame in frames])
        notes = _unmatched_notes(each, name, [path for stem, path in matched.others.items() if stem not in ids])
        files[each.label] = matched.files
        scorers.append(_make_scorer_record(each, matched.files, part, notes, request.resize, progress))
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
        data=RootsRecord.of(data),
        id_data=RootsRecord.of(Roots()),
        plugins=tuple(path.absolute() for path in request.plugins),
        classes=None,
    )
    live = {record.digest: frame for record, frame in zip(records, frames, strict=True)}
    return Plan(record, {}, {}, live), files


def _unmatched_notes(given: ExternalScores, benchmark: str, others: Sequence[Path]) -> list[str]:
    if not others:
        return []
    which = others[0].relative_to(given.folder)
    return [f"{given.label}: {len(others)} of its score maps fit no frame of {benchmark}, the first is {which}"]


def _make_scorer_record(
    given: ExternalScores,
    files: Mapping[str, Path],
    part: FrameSetRecord,
    notes: Sequence[str],
    resize: Resize,
    progress: Progress,
) -> ScorerRecord:
    """Its record, once every file has been read and checked."""
    digests, smaller = [], []
    images: dict[str, tuple[str, str]] = {}
    with progress.track(f"check {given.label}", len(part.frames), "score maps") as advance:
        for frame in part.frames:
            size = _read_checked(files[frame.id], frame).shape
            if size != (frame.height, frame.width):
                smaller.append(f"{size[1]} x {size[0]} for {frame.width} x {frame.height}")
            digest = digest_file(files[frame.id])
            twin, other = images.setdefault(frame.key, (frame.id, digest))
            if other != digest:  # maps are stored by image: a network gives one image one map
                raise ScoreError(
                    f"{given.folder}: {twin} and {frame.id} are one image, and their score maps differ",
                    "Expected one score map for one image.",
                )
            digests.append([frame.id, digest])
            advance(1)
    if smaller:
        count = f"{len(smaller)} of {len(part.frames)} score maps"
        notes = [*notes, f"{given.label}: {count} are smaller than their labels, {smaller[0]}: brought there {resize}"]
    depends_on = {"files": digests, "anomalous": given.anomalous, "resize": resize, "numerics": NUMERICS_VERSION}
    return ScorerRecord(
        key=f"{EXTERNAL}-{digest_bytes(json.dumps(depends_on, sort_keys=True).encode())[:12]}",
        network=EXTERNAL,
        spec=given.label,
        method=EXTERNAL,
        params={"anomalous": given.anomalous},
        label=given.label,
        version=1,
        fits=False,
        given=ExternalScoresRecord(folder=given.folder.absolute(), anomalous=given.anomalous, notes=tuple(notes)),
    )


def _read_checked(path: Path, frame: FrameRecord) -> ScoreMap:
    """The file's scores, at most as large as the frame's label."""
    score = read_scores(path)
    height, width = score.shape
    if height > frame.height or width > frame.width:
        raise ScoreError(
            f"{path}: the scores are {width} x {height} and the label of {frame.id} is {frame.width} x "
            f"{frame.height}; expected that size or a smaller one",
            "Write the scores in the label's rows and columns, without padding.",
        )
    return score


def _copy_maps(record: PlanRecord, files: Files, artifacts: RunArtifacts, progress: Progress) -> None:
    """Each map into the store at its label's size, higher = more anomalous."""
    resize = record.scoring.resize
    (part,) = record.benchmarks
    for scorer in record.scorers:
        with progress.track(f"take in {scorer.label}", len(part.frames), "score maps") as advance:
            for frame in part.frames:
                size: Size = (frame.height, frame.width)
                key = score_key(scorer.key, frame.key)
                if not artifacts.has_map(key, size):
                    score = _read_checked(files[scorer.label][frame.id], frame)
                    upward = score if scorer.params["anomalous"] == "higher" else np.negative(score)
                    artifacts.write_map(key, resize_score(upward, size, resize))
                advance(1)
