"""A run's stored scores as a submission: written whole or not at all, checked, read back and scored again."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodbench.contracts import LARGEST_CHANGE, SIDE_FILE, Submission, SubmissionScorer, SubmittedFrame
from oodbench.errors import RunFolderError, ScoreError
from oodbench.files import cannot_write, digest_bytes, write_atomically
from oodbench.metrics import MetricChange, measure_change
from oodbench.progress import Progress, Silent
from oodbench.registry import Registry
from oodbench.runs.run import Run, load
from oodbench.storage.local import LocalStore
from oodbench.types import AnomalyLabels, ScoreMap
from oodbench.workflows.run import OneOrMore, as_tuple
from oodbench.workflows.submission_frames import find_scorer, known_frames, load_submission_scorer

SUBMISSION_SCHEMA = 1


@dataclass(frozen=True)
class SubmissionResult:
    """What was written.

    Attributes:
        folder: where.
        frames: how many frames it was made of.
        facts: how, as in its side file.
        notes: what its author has to do or to know.
        changes: benchmark -> the exact metrics of its labelled frames, as stored and as read back from the submission.
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
    """`oodbench submit` from Python (docs/submit.md).

    Args:
        target: the leaderboard, as `NAME` or `NAME:key=value,...`.
        run: a run with stored scores, or its folder.
        out: a folder that is new, empty, or holds the same submission.
        method, network: which scorer of the run, where it has several.
        plugins: files with submissions of your own, beside the run's plugins.
        progress: where news go; nowhere by default.

    Raises:
        OodbenchError: a mistake that can be mended; the message says how. Nothing has been written then.
    """
    view = run if isinstance(run, Run) else load(run)
    progress = progress or Silent()
    registry = Registry(tuple(dict.fromkeys([*view.record.plugins, *(Path(p).absolute() for p in as_tuple(plugins))])))
    submission = registry.submission(target)
    scorer = find_scorer(view, method, network)
    parts = load_submission_scorer(view, scorer, submission.card, progress)
    about: dict[str, Any] = {
        "schema_version": SUBMISSION_SCHEMA,
        "target": submission.card.name,
        "parameters": submission.params.model_dump(mode="json"),
        "method": parts.label,
        "network": parts.network,
        "run": view.record.digest,
        "scorer": scorer.key,
        "frames": {name: sum(f.benchmark == name for f in parts.frames) for name in parts.expected},
    }
    source_digest = registry.source_digest("submissions", submission.card.name)
    if source_digest is not None:
        about["source_digest"] = source_digest
    about["digest"] = digest_bytes(json.dumps(about, sort_keys=True).encode())
    with _replace_folder(Path(out), about["digest"]) as folder:
        written = submission.write(parts, folder, progress.track)
        found = list(submission.check(folder, parts.frames))
        if found:
            raise ScoreError(f"what was written is not right: {found[0]} ({len(found)} problems)", "Report this.")
        changes = dict(_round_trip(submission, folder, parts, progress))
        about |= {"facts": written.facts, "round_trip": {name: _describe_change(c) for name, c in changes.items()}}
        text = json.dumps(about, indent=1)
        write_atomically(folder / SIDE_FILE, lambda file: file.write(text.encode()))
    return SubmissionResult(Path(out), len(parts.frames), written.facts, written.notes, changes)


def check_submission(
    target: str, path: str | Path, *, data: OneOrMore = (), plugins: OneOrMore = (), progress: Progress | None = None
) -> list[str]:
    """What is wrong with a folder or an archive for a leaderboard, a line for each thing; `oodbench submit --check`.

    Args:
        target: the leaderboard.
        path: a folder or an archive, of anybody's making.
        data: folders with the benchmark's frames: names and sizes are then held against these.
        plugins: files with submissions of your own.
        progress: where news go; nowhere by default.

    Raises:
        OodbenchError: the path or the frames can't be opened.
    """
    registry = Registry(tuple(Path(path).absolute() for path in as_tuple(plugins)))
    submission = registry.submission(target)
    frames = known_frames(submission.card, registry, as_tuple(data)) if data else ()
    return list(submission.check(Path(path), frames))


@contextmanager
def _replace_folder(out: Path, digest: str) -> Iterator[Path]:
    """A folder beside `out` to write into, which takes its place when all has gone well."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        there = _read_side_file(out / SIDE_FILE)
        if not isinstance(there, dict) or there.get("digest") != digest:
            what = "another submission" if isinstance(there, dict) else "other files"
            raise RunFolderError(f"{out}: holds {what}", "Choose a new or empty folder with --out.")
    place = out.absolute().parent / f".{out.absolute().name}.part"
    with LocalStore(place).lock():
        new = place / "new"
        shutil.rmtree(new, ignore_errors=True)  # of a process that was killed while it wrote
        try:
            new.mkdir()
            yield new
            if out.exists():
                out.rename(place / "old")
            new.rename(out)
        except OSError as error:
            raise cannot_write(out, error) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _read_side_file(path: Path) -> Any:
    """The content of a submission's side file; None if there is none, or it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _round_trip(
    submission: Submission, folder: Path, parts: SubmissionScorer, progress: Progress
) -> Iterator[tuple[str, MetricChange]]:
    """benchmark, what reading the submission back changes of its exact metrics."""
    for name in parts.expected:
        frames = [frame for frame in parts.frames if frame.benchmark == name and frame.read_labels]
        if not frames:
            continue
        with progress.track(f"read back {name}", len(frames), "frames") as advance:
            measured = measure_change(_read_pairs(submission.read(folder, frames), advance))
        if measured.largest >= LARGEST_CHANGE:
            progress.warn(f"{name}: AP or FPR95 is {measured.largest:.2g} off in the submission: look at its map")
        if measured.frames:
            yield name, measured


def _read_pairs(
    read: Iterator[tuple[SubmittedFrame, ScoreMap]], advance: Any
) -> Iterator[tuple[ScoreMap, ScoreMap, AnomalyLabels]]:
    for frame, score in read:
        assert frame.read_labels is not None, "only labelled frames are read back"
        yield frame.read_score(), score, frame.read_labels()
        advance(1)


def _describe_change(measured: MetricChange) -> dict[str, Any]:
    def defined(values: Sequence[float]) -> dict[str, float | None]:
        return {n: None if math.isnan(v) else v for n, v in zip(("AP", "FPR95"), values, strict=True)}

    return {"frames": measured.frames, "stored": defined(measured.before), "read_back": defined(measured.after)}
