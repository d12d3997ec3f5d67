"""What a run has of one scorer, as a submission sees it; and the frames of data sets that lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import KnownFrame, SubmissionCard, SubmissionScorer, SubmittedFrame
from oodbench.errors import DataNotFoundError, UnknownNameError, UsageError
from oodbench.planning.frame_index import FrameRecord
from oodbench.planning.records import FrameSetRecord, ScorerRecord
from oodbench.planning.request import data_roots
from oodbench.planning.resolve import validate_named_roots
from oodbench.progress import Progress
from oodbench.registry import Registry
from oodbench.runs.run import Run
from oodbench.storage.keys import fit_key, prediction_key, score_key


def find_scorer(run: Run, method: str | None, network: str | None) -> ScorerRecord:
    """The one scorer of the run with this method, by label or name, and this network.

    Raises:
        UnknownNameError: there is none.
        UsageError: there are several.
    """
    scorers = list(run.record.scorers)
    if network is not None:
        known = [scorer.network for scorer in scorers]
        if network not in known:
            raise UnknownNameError("network in this run", network, dict.fromkeys(known))
        scorers = [scorer for scorer in scorers if scorer.network == network]
    if method is not None:
        named = [scorer for scorer in scorers if method in (scorer.label, scorer.spec, scorer.method)]
        if not named:
            raise UnknownNameError("method in this run", method, dict.fromkeys(scorer.spec for scorer in scorers))
        scorers = named
    if len(scorers) > 1:
        raise UsageError(
            f"{run.folder}: has {len(scorers)} scorers: "
            + ", ".join(f"{scorer.spec} on {scorer.network}" for scorer in scorers),
            "Choose one with --method and, of several networks, --network.",
        )
    return scorers[0]


def load_submission_scorer(
    run: Run, scorer: ScorerRecord, card: SubmissionCard, progress: Progress
) -> SubmissionScorer:
    """The scorer's frames in the benchmarks that the card names; of a frame in two of them the first.

    Raises:
        UsageError: the run has none of these benchmarks.
        RunFolderError: frames or labels are not those of the run any more, or two frames of one id differ.
    """
    record = run.record
    parts = {part.name: part for part in record.benchmarks}
    wanted = [parts[name] for name in card.benchmarks if name in parts]
    broken = [failure for failure in run.failed if failure.benchmark in card.benchmarks]
    if broken:
        raise UsageError(f"{run.store.location}: {broken[0]}", "Fix it and run the same 'oodbench run' again.")
    if not wanted:
        raise UsageError(
            f"{run.folder}: its benchmarks are {', '.join(parts)}; {card.name} takes frames of "
            f"{', '.join(card.benchmarks)}",
            f"Score them: oodbench run --benchmark {card.benchmarks[0]}",
        )
    frames: dict[str, SubmittedFrame] = {}
    keys: dict[str, str] = {}
    for part in wanted:
        hidden = run.registry.benchmark(part.name).card.hidden
        if not hidden:
            run.checked(part, progress)
        for index, frame in enumerate(part.frames):
            if keys.setdefault(frame.id, frame.key) != frame.key:
                raise UsageError(
                    f"{frame.id} of {part.name} and of {frames[frame.id].benchmark} are two images",
                    "Submit from a run on one copy of the data.",
                )
            if frame.id not in frames:
                frames[frame.id] = _make_frame(run, scorer, part, index, frame, hidden)
    network = record.network(scorer.network)
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
        plugins=record.plugins,
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
    """The frames of the card's benchmarks that lie under these folders; of a frame in two of them the first.

    Raises:
        DataNotFoundError: there is none of them.
    """
    roots, _ = data_roots(data, ())
    validate_named_roots(roots, roots, registry)
    frames: dict[str, KnownFrame] = {}
    for name in card.benchmarks:
        try:
            found = registry.benchmark(name).open(roots).frames
        except DataNotFoundError:
            continue
        for index, frame in enumerate(found):
            frames.setdefault(frame.id, KnownFrame(name, index, frame.id, frame.read_size()))
    if not frames:
        raise DataNotFoundError(
            f"none of {', '.join(card.benchmarks)} was found in {', '.join(data)}",
            "Give the folder that holds the frames, or leave --data out.",
        )
    return list(frames.values())
