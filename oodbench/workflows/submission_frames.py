"""Views of a run's score maps and of the frames on disk, for submissions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import KnownFrame, SubmissionCard, SubmissionScorer, SubmittedFrame
from oodbench.errors import DataNotFoundError, UsageError
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import FrameSetRecord, ScorerRecord
from oodbench.planning.request import data_roots
from oodbench.planning.resolve import validate_named_roots
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.storage.keys import fit_key, prediction_key, score_key


def load_submission_scorer(
    run: Run, scorer: ScorerRecord, card: SubmissionCard, progress: Progress
) -> SubmissionScorer:
    """Return a scorer with its frames in the submission's benchmarks. A frame in two benchmarks is used once.

    Args:
        run: The run.
        scorer: A scorer of the run.
        card: The submission's card, with the names of the benchmarks.
        progress: Callback for progress messages.

    Raises:
        UsageError: The run has none of these benchmarks, or two different images have the same id.
        RunFolderError: Frames or labels have changed since the run.
        UntrustedCodeError: The submission needs code that only the run names.
    """
    record = run.record
    parts = {part.name: part for part in record.benchmarks}
    wanted = [parts[name] for name in card.benchmarks if name in parts]
    failures = [failure for failure in run.failed if failure.benchmark in card.benchmarks]
    if failures:
        raise UsageError(
            f"{run.store.location}: {failures[0]}", "Fix the problem and run the same 'oodbench run' again."
        )
    if not wanted:
        raise UsageError(
            f"{run.folder}: its benchmarks are {', '.join(parts)}; {card.name} takes frames of "
            f"{', '.join(card.benchmarks)}",
            f"Score a benchmark of the submission: oodbench run --benchmark {card.benchmarks[0]}",
        )
    frames: dict[str, SubmittedFrame] = {}
    keys: dict[str, str] = {}
    for part in wanted:
        hidden = run.registry.benchmark(part.name).card.hidden
        if not hidden:
            run.finder.all_checked(part, progress)
        for index, frame in enumerate(part.frames):
            if keys.setdefault(frame.id, frame.key) != frame.key:
                raise UsageError(
                    f"{frame.id} of {part.name} and {frame.id} of {frames[frame.id].benchmark} are different images",
                    "Submit from a run on one copy of the data.",
                )
            if frame.id not in frames:
                frames[frame.id] = _make_frame(run, scorer, part, index, frame, hidden)
    network = record.network(scorer.network)
    if card.images and scorer.given is None:  # the container runs the network and all plugins
        run.registry.check_trusted()
        run.access.check_network(network, run.registry)
    return SubmissionScorer(
        label=scorer.label,
        network=scorer.network,
        method=None if scorer.given else run.registry.method(scorer.spec).card,
        spec=scorer.spec,
        source=network.source,
        card=Path(network.card) if network.card else None,
        classes=CLASS_SETS.get(record.classes or ""),
        scoring=record.scoring,
        fit=bytes(run.store.read(fit_key(scorer.key))) if scorer.fits else None,
        plugins=run.registry.plugins,
        expected={part.name: part.expected for part in wanted},
        frames=tuple(frames.values()),
    )


def _make_frame(
    run: Run, scorer: ScorerRecord, part: FrameSetRecord, index: int, frame: FrameRecord, hidden: bool
) -> SubmittedFrame:
    artifacts = run.artifacts
    prediction = prediction_key(run.record.network(scorer.network).digest, run.record.scoring, frame.key)
    return SubmittedFrame(
        benchmark=part.name,
        index=index,
        id=frame.id,
        size=(frame.height, frame.width),
        read_score=partial(artifacts.map, score_key(scorer.key, frame.key)),
        read_prediction=partial(artifacts.map, prediction) if artifacts.store.has(prediction) else None,
        read_labels=None if hidden else partial(run.known_labels, part.name, frame.id),
    )


def known_frames(card: SubmissionCard, registry: Registry, data: Sequence[str]) -> list[KnownFrame]:
    """Return the frames of a submission's benchmarks on disk. A frame in two benchmarks is returned once.

    Args:
        card: The submission's card, with the names of the benchmarks.
        registry: The registry.
        data: The folders to search, or NAME=DIR.

    Raises:
        DataNotFoundError: None of the benchmarks was found.
    """
    roots, _ = data_roots(data, ())
    validate_named_roots(roots, roots, registry)
    frames: dict[str, KnownFrame] = {}
    for name in card.benchmarks:
        try:
            benchmark_frames = registry.benchmark(name).open(roots).frames
        except DataNotFoundError:
            continue
        for index, frame in enumerate(benchmark_frames):
            frames.setdefault(frame.id, KnownFrame(name, index, frame.id, frame.read_size()))
    if not frames:
        raise DataNotFoundError(
            f"none of {', '.join(card.benchmarks)} was found in {', '.join(data)}",
            "Give the folder that contains the frames, or remove --data.",
        )
    return list(frames.values())
