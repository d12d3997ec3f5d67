"""Evaluation of external scores: check them, import them into a run and evaluate them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from oodbench.contracts import Roots, Scoring
from oodbench.data import find_scores
from oodbench.errors import ScoreError, UnknownNameError, UsageError
from oodbench.files import digest_bytes, expand_home
from oodbench.metrics.protocols import DEFAULT_PROTOCOL
from oodbench.numerics import NUMERICS_VERSION
from oodbench.planning.frame_choice import choose_frames
from oodbench.planning.frame_index import index_frames
from oodbench.planning.one_or_more import OneOrMore, as_tuple
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
from oodbench.runs.access import RunAccess
from oodbench.runs.run import Run
from oodbench.stages.evaluate import evaluate, write_results
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import score_key
from oodbench.text import escape_controls
from oodbench.types import Resize
from oodbench.workflows.arguments import as_frame_choices
from oodbench.workflows.external_calibration import (
    CalibrationFrames,
    calibrate_external,
    check_calibration_maps,
    find_calibration_frames,
)
from oodbench.workflows.external_scores import EXTERNAL, CheckedMaps, ExternalScores, check_maps, load_map
from oodbench.workflows.run import open_run_folder, write_reports


def evaluate_scores(
    scores: Mapping[str, str | Path] | OneOrMore,
    benchmark: str,
    *,
    anomalous: Anomalous | Mapping[str, Anomalous],
    data: OneOrMore | Mapping[str, str | Path] = (),
    calibration: Mapping[str, str | Path] | OneOrMore = (),
    id_data: OneOrMore | Mapping[str, str | Path] = (),
    id_limit: int | None = None,
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
        calibration: Folders of score maps of in-distribution frames, from which the threshold for sIoU@ID95, PPV@ID95
            and F1*@ID95 and the colour scale are computed: a mapping from names of scores to folders, or one folder per
            folder of `scores`, in the same order. Empty: these metrics are undefined.
        id_data: With `calibration`: folders to search for the dataset of the in-distribution frames, or a mapping from
            its name to its folder. Empty: the folders in `data`; for a synthetic benchmark, its synthetic dataset.
        id_limit: Maximum number of in-distribution frames, as for `oodbench.run`.
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
    folders = map(expand_home, as_tuple(scores))
    pairs = list(by_label.items()) or [(Path(folder).absolute().name, folder) for folder in folders]
    labels = [label for label, _ in pairs]
    directions = anomalous if isinstance(anomalous, Mapping) else dict.fromkeys(labels, anomalous)
    calibrations = _calibrations_by_label(calibration, labels)
    request = Request.of(
        benchmarks=(benchmark,),
        data=as_tuple(data),
        id_data=as_tuple(id_data),
        id_limit=id_limit,
        resize=resize,
        limit=limit,
        frames=as_frame_choices(frames),
        out=out,
        protocols=tuple(protocols),
        if_exists=if_exists,
        stop_after=stop_after,
        plugins=as_tuple(plugins),
    )
    external = [
        ExternalScores.of(label, folder, directions.get(label), calibrations.get(label)) for label, folder in pairs
    ]
    return evaluate_external_scores(request, external, progress or Silent())


def _calibrations_by_label(
    calibration: Mapping[str, str | Path] | OneOrMore, labels: Sequence[str]
) -> Mapping[str, str | Path]:
    if isinstance(calibration, Mapping):
        unknown = next((label for label in calibration if label not in labels), None)
        if unknown is not None:
            raise UnknownNameError("name of scores in calibration", unknown, labels)
        return calibration
    folders = as_tuple(calibration)
    if folders and len(folders) != len(labels):
        raise UsageError(
            f"{len(folders)} folders of calibration scores for {len(labels)} folders of scores",
            "Give one per folder of scores, in the same order, or a mapping from names to folders.",
        )
    return dict(zip(labels, folders, strict=False))


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
    plan, maps = _make_plan(request, given, registry, progress)
    notes = (note for scorer in plan.record.scorers if scorer.given for note in scorer.given.notes)
    for warning in (*registry.warnings, *notes):
        progress.warn(warning)
    with open_run_folder(request, plan) as store:
        artifacts = RunArtifacts(store)
        _copy_maps(plan.record, maps.files, artifacts, progress)
        for scorer in plan.record.scorers:
            if maps.calibration is not None and scorer.label in maps.calibration_files:
                files = maps.calibration_files[scorer.label]
                calibrate_external(scorer, files, maps.calibration, request.resize, artifacts, progress)
        results = evaluate(plan.record, plan.frames, artifacts, progress, plan.record.protocols, again=True)
        write_results(plan.record, results, artifacts)
    run = Run(store, access=RunAccess.of_process(registry))
    if request.stop_after == "report":
        write_reports(run, progress)
    return run


Files = Mapping[str, Mapping[str, Path]]
"""The score maps' files by label and frame id."""


class _Maps(NamedTuple):
    """The files of all maps, and the frames of the calibration; None without a calibration."""

    files: Files
    calibration: CalibrationFrames | None
    calibration_files: Files


def _make_plan(
    request: Request, given: Sequence[ExternalScores], registry: Registry, progress: Progress
) -> tuple[Plan, _Maps]:
    _check_labels(request, given)
    data, id_data = data_roots(request.data, request.id_data)
    validate_named_roots(data, id_data, registry)
    ((name, found),) = find_benchmarks(request, registry, data, "").items()
    frames = choose_frames({name: found}, request)[name].frames
    records = index_frames(frames, name, progress)
    card = registry.benchmark(name).card
    part = FrameSetRecord.of(name, card.title, "", found, records, card.components)
    calibration = None
    if any(external.calibration for external in given):
        world = "" if request.id_data else card.dataset
        calibration = find_calibration_frames(registry, id_data, world, request.id_limit, progress)
    ids = {frame.id for frame in found.frames}
    files, calibration_files, scorers = {}, {}, []
    for external in given:
        matched = find_scores(external.folder, [frame.id for frame in frames])
        notes = _unmatched_notes(external, name, [path for stem, path in matched.others.items() if stem not in ids])
        files[external.label] = matched.files
        checked = check_maps(external.label, matched.files, part.frames, progress)
        _check_same_images(external, part, checked)
        parts = [(part, checked)]
        if calibration is not None and external.calibration is not None:
            calibration_files[external.label], of_calibration = check_calibration_maps(
                external.label, external.calibration, calibration, progress
            )
            parts.append((calibration.record, of_calibration))
        scorers.append(_make_scorer_record(external, parts, notes, request.resize))
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
        calibrate=calibration.record if calibration else None,
        scoring=Scoring("given", request.resize),
        protocols={name: resolve_protocols(request.protocols, card)},
        seed=request.seed,
        batch_size=request.batch_size,
        limit=request.limit,
        chosen=bool(request.frames),
        data=RootsRecord.of(data),
        id_data=RootsRecord.of(id_data if calibration else Roots()),
        plugins=tuple(path.absolute() for path in request.plugins),
        classes=None,
    )
    frames_by_digest = {record.digest: frame for record, frame in zip(records, frames, strict=True)}
    return Plan(record, {}, {}, frames_by_digest), _Maps(files, calibration, calibration_files)


def _check_labels(request: Request, given: Sequence[ExternalScores]) -> None:
    if not given:
        raise UsageError("no folder of score maps was given", "Give at least one folder with --scores.")
    labels = [external.label for external in given]
    duplicate = next((label for label in labels if labels.count(label) > 1), None)
    if duplicate is not None:
        raise UsageError(f"two --scores are called '{duplicate}'", "Give each its own name with --name.")
    if request.id_data and not any(external.calibration for external in given):
        raise UsageError(
            "--id-data requires --calibration-scores, the score maps of the in-distribution frames",
            "Give them with --calibration-scores DIR, or omit --id-data.",
        )


def _unmatched_notes(external: ExternalScores, benchmark: str, others: Sequence[Path]) -> list[str]:
    if not others:
        return []
    first = escape_controls(str(others[0].relative_to(external.folder)))
    return [f"{external.label}: {len(others)} of its score maps match no frame of {benchmark}; the first is {first}"]


def _check_same_images(external: ExternalScores, part: FrameSetRecord, checked: CheckedMaps) -> None:
    """Raise if two frames are the same image with different maps. Maps are stored by image, so it has only one."""
    images: dict[str, str] = {}
    for frame in part.frames:
        first = images.setdefault(frame.key, frame.id)
        if checked.digests[first] != checked.digests[frame.id]:
            raise ScoreError(
                f"{external.folder}: {first} and {frame.id} are the same image, but their score maps differ",
                "Write the same score map for both frames.",
            )


def _make_scorer_record(
    external: ExternalScores,
    parts: Sequence[tuple[FrameSetRecord, CheckedMaps]],
    notes: Sequence[str],
    resize: Resize,
) -> ScorerRecord:
    """Return the record of the external scores on a benchmark and, if they are calibrated, on calibration frames."""
    for part, checked in parts:
        if checked.smaller:
            count = f"{len(checked.smaller)} of {len(part.frames)} score maps"
            of_part = f" of {part.name} {part.split}" if part.split else ""
            notes = [
                *notes,
                f"{external.label}: {count}{of_part} are smaller than their labels ({checked.smaller[0]}) and are "
                f"resized ({resize})",
            ]
    (_, benchmark_maps), *calibrated = parts
    depends_on: dict[str, Any] = {
        "files": _pairs(benchmark_maps),
        "anomalous": external.anomalous,
        "resize": resize,
        "numerics": NUMERICS_VERSION,
    }
    if calibrated:
        depends_on["calibration"] = [_pairs(checked) for _, checked in calibrated]
    return ScorerRecord(
        key=f"{EXTERNAL}-{digest_bytes(json.dumps(depends_on, sort_keys=True).encode())[:12]}",
        network=EXTERNAL,
        spec=external.label,
        method=EXTERNAL,
        params={"anomalous": external.anomalous},
        label=external.label,
        version=1,
        fits=False,
        given=ExternalScoresRecord(
            folder=external.folder.absolute(),
            anomalous=external.anomalous,
            calibration=external.calibration.absolute() if external.calibration else None,
            notes=tuple(notes),
        ),
    )


def _pairs(checked: CheckedMaps) -> list[list[str]]:
    return [[identity, digest] for identity, digest in checked.digests.items()]


def _copy_maps(record: PlanRecord, files: Files, artifacts: RunArtifacts, progress: Progress) -> None:
    """Store each map at the size of its labels, higher = more anomalous."""
    (part,) = record.benchmarks
    for scorer in record.scorers:
        with progress.track(f"import {scorer.label}", len(part.frames), "score maps") as advance:
            for frame in part.frames:
                key = score_key(scorer.key, frame.key)
                if not artifacts.has_map(key, (frame.height, frame.width)):
                    path, anomalous = files[scorer.label][frame.id], scorer.params["anomalous"]
                    artifacts.write_map(key, load_map(path, frame, anomalous, record.scoring.resize))
                advance(1)
