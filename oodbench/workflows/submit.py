"""Submissions to leaderboards from a run's stored scores: written atomically, checked, read back and evaluated."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodbench.contracts import LARGEST_CHANGE, SIDE_FILE, Submission, SubmissionScorer, SubmittedFrame
from oodbench.errors import RunFolderError, ScoreError
from oodbench.files import digest_bytes, expand_home, read_text, write_atomically
from oodbench.locked_folders import replace_folder
from oodbench.metrics import MetricChange, measure_change
from oodbench.planning.one_or_more import OneOrMore, as_paths, as_tuple
from oodbench.progress import Progress, Silent
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.types import AnomalyLabels, ScoreMap
from oodbench.workflows.arguments import make_registry
from oodbench.workflows.scorer_choice import find_scorer
from oodbench.workflows.submission_frames import known_frames, load_submission_scorer

SUBMISSION_SCHEMA = 1


@dataclass(frozen=True)
class SubmissionResult:
    """A submission (files for a leaderboard) that `submit` wrote.

    Attributes:
        folder: The folder of the submission.
        frames: Number of frames.
        facts: Facts about how the files were written; the file `submission.json` in the folder contains them, too.
        notes: Notes for the author, such as the next steps.
        changes: Maps each benchmark to its AP and FPR95 on labelled frames, before and after the scores were converted
            to the leaderboard's file format.

    Examples:
        >>> from pathlib import Path
        >>> import oodbench
        >>> change = oodbench.metrics.MetricChange(frames=10, before=(0.5, 0.2), after=(0.5, 0.25))
        >>> result = oodbench.SubmissionResult(Path("submission"), 110, {}, (), {"road-anomaly-21": change})
        >>> round(result.changes["road-anomaly-21"].largest, 4)
        0.05
    """

    folder: Path
    frames: int
    facts: Mapping[str, Any]
    notes: tuple[str, ...]
    changes: Mapping[str, MetricChange]


def submit(
    target: str,
    run: Run | str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    network: str | None = None,
    plugins: OneOrMore = (),
    progress: Progress | None = None,
) -> SubmissionResult:
    """Write the files that a leaderboard expects from a run's stored score maps, as `oodbench submit` does.

    If an error is raised, nothing is written.

    Args:
        target: The leaderboard, as `NAME` or `NAME:key=value,...` (`list_submissions`).
        run: A run whose score maps are stored, or its folder.
        out: The folder to write. It must be new, be empty, or contain the same submission.
        method: Name of the method whose score maps are submitted; needed if the run has several methods.
        network: Name of the network whose score maps are submitted; needed if the run has several networks.
        plugins: Python files with your own submissions (writers of files for a leaderboard), in addition to the plugin
            files of the run. If `run` is a folder, the plugins of the run are used only if they are among these files
            (see `load`).
        progress: Callback for progress messages; None: silent.

    Returns:
        The folder, its number of frames, notes, and how much the leaderboard's file format changes AP and FPR95.

    Raises:
        UsageError: The run lacks frames of the leaderboard, several pairs of method and network match, or a parameter
            is missing.
        UnknownNameError: There is no leaderboard, method or network of that name.
        NotStoredError: A score map of the run is not stored.
        ScoreError: A score is not finite.
        RunFolderError: The folder `out` contains other files or is not writable, or there is no run.

    Examples:
        A run without the frames of the leaderboard is refused:

        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> try:
        ...     oodbench.submit("segment-me-if-you-can:requires_ood=no", run, "submission")
        ... except oodbench.errors.UsageError as error:
        ...     print(error.problem[:39])
        run: its benchmarks are streets-anomaly
    """
    source_run = run if isinstance(run, Run) else load(run, plugins=plugins)
    progress = progress or Silent()
    registry = source_run.access.add_plugins(as_paths(plugins)).registry(source_run.record)
    submission = registry.submission(target)
    scorer = find_scorer(source_run, method, network)
    parts = load_submission_scorer(source_run, scorer, submission.card, progress)
    about: dict[str, Any] = {
        "schema_version": SUBMISSION_SCHEMA,
        "target": submission.card.name,
        "parameters": submission.params.model_dump(mode="json"),
        "method": parts.label,
        "network": parts.network,
        "run": source_run.record.digest,
        "scorer": scorer.key,
        "frames": {name: sum(f.benchmark == name for f in parts.frames) for name in parts.expected},
    }
    source_digest = registry.source_digest("submissions", submission.card.name)
    if source_digest is not None:
        about["source_digest"] = source_digest
    about["digest"] = digest_bytes(json.dumps(about, sort_keys=True).encode())
    out = Path(expand_home(out))
    _check_replaceable(out, about["digest"])
    with replace_folder(out) as folder:
        written = submission.write(parts, folder, progress.track)
        problems = list(submission.check(folder, parts.frames))
        if problems:
            raise ScoreError(
                f"the submission that was written is invalid: {problems[0]} ({len(problems)} problems)",
                "Report this as a bug.",
            )
        changes = dict(_round_trip(submission, folder, parts, progress))
        about |= {"facts": written.facts, "round_trip": {name: _describe_change(c) for name, c in changes.items()}}
        text = json.dumps(about, indent=1)
        write_atomically(folder / SIDE_FILE, lambda file: file.write(text.encode()))
    return SubmissionResult(out, len(parts.frames), written.facts, written.notes, changes)


def check_submission(
    target: str, path: str | Path, *, data: OneOrMore = (), plugins: OneOrMore = (), progress: Progress | None = None
) -> list[str]:
    """Check whether a folder or an archive has the form that a leaderboard expects, as `oodbench submit --check` does.

    Args:
        target: The leaderboard, as `NAME` or `NAME:key=value,...` (`list_submissions`).
        path: A folder or an archive, written by any program.
        data: Folders with the leaderboard's benchmarks. The names and sizes of the files are then compared with the
            frames. Empty: they are not compared.
        plugins: Python files with your own submissions (writers of files for a leaderboard).
        progress: Callback for progress messages; None: silent.

    Returns:
        One line per problem; empty if there is none.

    Raises:
        UnknownNameError: There is no leaderboard of that name.
        DataError: The folder or archive can't be opened, or a benchmark in `data` is missing or not intact.

    Examples:
        >>> from pathlib import Path
        >>> import oodbench
        >>> Path("submission").mkdir()
        >>> oodbench.check_submission("fishyscapes", "submission")
        ['submission: no file DDDD_anomaly.npy. Write two files per image.']
    """
    registry = make_registry(plugins)
    submission = registry.submission(target)
    frames = known_frames(submission.card, registry, as_tuple(data)) if data else ()
    return list(submission.check(Path(expand_home(path)), frames))


def _check_replaceable(out: Path, digest: str) -> None:
    """Raise unless the folder is absent or empty, or contains this submission."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        existing = _read_side_file(out / SIDE_FILE)
        if not isinstance(existing, dict) or existing.get("digest") != digest:
            content = "another submission" if isinstance(existing, dict) else "other files"
            raise RunFolderError(f"{out}: contains {content}", "Choose a new or empty folder with --out.")


def _read_side_file(path: Path) -> Any:
    """Return the content of a submission's side file; None if there is none or it is damaged."""
    try:
        return json.loads(read_text(path))
    except (OSError, ValueError):
        return None


def _round_trip(
    submission: Submission, folder: Path, parts: SubmissionScorer, progress: Progress
) -> Iterator[tuple[str, MetricChange]]:
    """Yield each labelled benchmark, and the change of its exact metrics after reading the submission back."""
    for name in parts.expected:
        frames = [frame for frame in parts.frames if frame.benchmark == name and frame.read_labels]
        if not frames:
            continue
        with progress.track(f"read back {name}", len(frames), "frames") as advance:
            change = measure_change(_read_pairs(submission.read(folder, frames), advance))
        if change.largest >= LARGEST_CHANGE:
            progress.warn(f"{name}: AP or FPR95 changes by {change.largest:.2g} in the submission: check its maps")
        if change.frames:
            yield name, change


def _read_pairs(
    read: Iterator[tuple[SubmittedFrame, ScoreMap]], advance: Any
) -> Iterator[tuple[ScoreMap, ScoreMap, AnomalyLabels]]:
    for frame, score in read:
        assert frame.read_labels is not None, "only labelled frames are read back"
        yield frame.read_score(), score, frame.read_labels()
        advance(1)


def _describe_change(change: MetricChange) -> dict[str, Any]:
    def by_name(values: Sequence[float]) -> dict[str, float | None]:
        return {n: None if math.isnan(v) else v for n, v in zip(("AP", "FPR95"), values, strict=True)}

    return {"frames": change.frames, "stored": by_name(change.before), "read_back": by_name(change.after)}
