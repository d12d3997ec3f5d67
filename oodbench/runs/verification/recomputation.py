"""Check of score maps against the network: some frames, chosen at random, are scored again.

The frames are scored in the same batches and by the same code as in the run. In the recorded environment, the scores
must be bit-identical. In another one, the last digits differ, and a difference is wrong only above `PIXELS` and
`SHARE`. The limits apply to all pixels of a frame and to its anomalous pixels separately, because a forger would change
these few.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Method
from oodbench.environment import describe_environment
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.plan import combine_needs
from oodbench.planning.records import FrameSetRecord, SegmenterRecord
from oodbench.runs.verification.check import VerificationCheck, judge, not_checked, wrong
from oodbench.runs.verification.subject import Subject
from oodbench.stages.apply_methods import ScoredFrame, score_output
from oodbench.stages.batching import forward_batches, split_batches
from oodbench.storage.keys import Key, fit_key, measurement_key, prediction_key, score_key
from oodbench.types import ANOMALY, Frame

SHARE = 0.01
"""In another environment: largest difference of a score, as a share of the range of the frame's recomputed scores."""

PIXELS = 0.01
"""In another environment: share of pixels that may differ more, because a small difference can flip a class."""


def check_recomputed_scores(subject: Subject, count: int, seed: int) -> Iterator[VerificationCheck]:
    """Score some frames of each benchmark again and compare the maps with the stored ones.

    Args:
        subject: The run, with the networks, methods and frames that are the recorded ones.
        count: Number of frames per benchmark.
        seed: Seed of the choice.
    """
    rng = np.random.default_rng(seed)
    measured = subject.run.artifacts.measured()
    for part in subject.record.benchmarks:
        stored = [index for index, frame in enumerate(part.frames) if _has_scores(subject, frame, measured)]
        chosen = sorted(rng.choice(stored, min(count, len(stored)), replace=False).tolist())
        for network in subject.record.networks:
            reason = "no scores are stored (--keep-scores)" if not stored else None
            reason = _find_obstacle(subject, network, part, count) or reason
            if reason:
                yield not_checked(f"recomputed scores of {network.name}, {part.name}", reason)
            else:
                yield from _check_frames(subject, network, part, chosen, seed, measured)


def _find_obstacle(subject: Subject, network: SegmenterRecord, part: FrameSetRecord, count: int) -> str | None:
    if subject.is_external:
        return "other code wrote the scores"
    if not count:
        return "no frame was chosen (--recompute 0)"
    if network.name not in subject.networks:
        return "the network is not available or has changed"
    if (part.name, part.split) not in subject.frames:
        return "the frames are not available or have changed"
    return None


def _has_scores(subject: Subject, frame: FrameRecord, measured: Container[Key]) -> bool:
    return any(
        subject.run.store.has(score_key(scorer.key, frame.key)) or measurement_key(scorer.key, frame) in measured
        for scorer in subject.record.scorers
    )


def load_methods(subject: Subject, network: SegmenterRecord) -> tuple[dict[str, Method], list[VerificationCheck]]:
    """Return the methods on a network with their stored fits, by the key of the scorer, and a check for each other."""
    methods, checks = {}, []
    for scorer in subject.scorers(network):
        what = f"recomputed scores of {scorer.label} on {network.name}"
        method = subject.methods.get(scorer.key)
        if method is None:
            checks.append(not_checked(what, "the method is not available or has changed"))
            continue
        if scorer.fits:
            fit = subject.run.artifacts.fit(fit_key(scorer.key))
            if fit is None:
                checks.append(
                    wrong(what, f"its fit is missing: {subject.run.artifacts.store.name(fit_key(scorer.key))}")
                )
                continue
            method.load(fit)
        methods[scorer.key] = method
    return methods, checks


def is_recorded_environment(subject: Subject, network: SegmenterRecord) -> bool:
    """Return whether a network scores here as in the run: with the same versions, processor, threads and device.

    On a GPU, the libraries choose algorithms by measured time, so equal environments do not imply equal digits.
    """
    device = subject.networks[network.name].device
    return device == "cpu" and subject.environment(network) == describe_environment(device)


def _check_frames(
    subject: Subject,
    network: SegmenterRecord,
    part: FrameSetRecord,
    chosen: Sequence[int],
    seed: int,
    measured: Mapping[Key, Key],
) -> Iterator[VerificationCheck]:
    """Score the batches that contain the chosen frames, and compare the maps of these frames with the stored ones."""
    segmenter, records = subject.networks[network.name], part.frames
    frames = [subject.frames[part.name, part.split][record.digest] for record in records]
    methods, checks = load_methods(subject, network)
    yield from checks
    batches = split_batches(len(records), subject.record.batch_size)
    wanted = [positions for positions in batches if not set(positions).isdisjoint(chosen)]
    comparisons: dict[str, list[_Comparison]] = {key: [] for key in [*methods, "classes"]}
    needs = combine_needs(segmenter, methods.values())
    with subject.progress.track(f"recompute {network.name} on {part.name}", len(chosen), "frames") as advance:
        for batch in forward_batches(segmenter, frames, wanted, needs):
            sizes = [(records[index].height, records[index].width) for index in batch.positions]
            scored, _ = score_output(batch.output, sizes, methods, subject.record.scoring)
            for index, frame in zip(batch.positions, scored, strict=True):
                if index not in chosen:
                    continue
                pairs = _pair_scores(subject, network, records[index], frames[index], frame, measured)
                for key, pair in pairs.items():
                    comparisons[key].append(_Comparison.of(records[index].id, *pair))
                advance(1)
    exact = is_recorded_environment(subject, network)
    labels = {scorer.key: f"scores of {scorer.label}" for scorer in subject.scorers(network)}
    for key, compared in comparisons.items():
        what = f"recomputed {labels.get(key, 'classes')} on {network.name}, {part.name}"
        if compared:
            ids = ", ".join(comparison.frame for comparison in compared)
            problems = filter(None, (comparison.find_problem(exact=exact) for comparison in compared))
            confirmed = f"{ids} of {len(records)} frames (--seed {seed}) are {_describe(compared, exact=exact)}"
            yield judge(what, (f"{problem} (--seed {seed})" for problem in problems), confirmed)
        elif key in methods:
            yield not_checked(what, "no map of the chosen frames is stored (--keep-scores)")


_Pair = tuple[NDArray[np.generic], NDArray[np.generic], Sequence[NDArray[np.bool_]]]
"""Stored values, recomputed values, and masks of the values that are compared: all, and those of anomalous pixels."""


def _pair_scores(
    subject: Subject,
    network: SegmenterRecord,
    record: FrameRecord,
    frame: Frame,
    scored: ScoredFrame,
    measured: Mapping[Key, Key],
) -> Mapping[str, _Pair]:
    """Return what is stored of each scorer's scores and of the predicted classes, next to the recomputed values.

    Without a map, the scores of a measurement are compared. Their places are unknown, so the scores of each label are
    compared in ascending order: they differ at most as much as the maps.
    """
    artifacts = subject.run.artifacts
    labels = None if frame.read_anomaly_labels is None else frame.read_anomaly_labels().values
    pairs: dict[str, _Pair] = {}
    for key, score in scored.scores.items():
        if artifacts.store.has(score_key(key, record.key)):
            pairs[key] = (artifacts.map(score_key(key, record.key)), score, _find_regions(score, labels))
        elif labels is not None and (measurement := measured.get(measurement_key(key, record))) is not None:
            stored, order = _sort(*artifacts.measurement(measurement).scores.pixels())
            again, _ = _sort(score.ravel(), labels.ravel())
            pairs[key] = (stored, again, _find_regions(again, order))
    class_key = prediction_key(network.digest, subject.record.scoring, record.key)
    if scored.prediction is not None and artifacts.store.has(class_key):
        pairs["classes"] = (artifacts.map(class_key), scored.prediction, _find_regions(scored.prediction, labels))
    return pairs


def _sort(scores: NDArray[np.float32], labels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return scores and labels in the order of the labels, and of the scores within a label."""
    order = np.lexsort((scores, labels))
    return scores[order], labels[order]


def _find_regions(values: NDArray[np.generic], labels: NDArray[np.uint8] | None) -> list[NDArray[np.bool_]]:
    """Return masks of the values that are compared: all of a frame, and those of its anomalous pixels, if any."""
    regions = [np.ones(values.shape, bool)]
    if labels is not None and (labels == ANOMALY).any():
        regions.append(labels == ANOMALY)
    return regions


@dataclass(frozen=True)
class _Comparison:
    """Comparison of a stored map with the recomputed one.

    Attributes:
        frame: The id of the frame.
        largest: Largest difference, as a share of the range of the recomputed map.
        differing: Share of the pixels that differ at all.
        beyond: Largest share of pixels that differ by more than `SHARE`, in all of the frame or among its anomalies.
    """

    frame: str
    largest: float
    differing: float
    beyond: float

    @staticmethod
    def of(
        frame: str,
        stored: NDArray[np.generic],
        again: NDArray[np.generic],
        regions: Sequence[NDArray[np.bool_]],
    ) -> _Comparison:
        """Compare two maps of one frame."""
        if stored.shape != again.shape:
            return _Comparison(frame, math.inf, 1.0, 1.0)
        span = float(np.ptp(again.astype(np.float64))) or 1.0
        difference = np.abs(stored.astype(np.float64) - again.astype(np.float64)) / span
        limit = 0.0 if again.dtype == np.uint8 else SHARE  # predicted classes differ or not
        beyond = ~(difference <= limit)  # NaN differs, too
        return _Comparison(
            frame,
            float(difference.max()),
            float(np.mean(difference != 0)),
            max(float(np.mean(beyond[region])) for region in regions),
        )

    def find_problem(self, *, exact: bool) -> str | None:
        """Return what is wrong with the stored map; None if it is equal, exactly or within the limits."""
        if not self.differing or (not exact and self.beyond <= PIXELS):
            return None
        return (
            f"{self.frame}: {100 * self.differing:.2g} % of the pixels are not what the network gives, by up to "
            f"{100 * self.largest:.2g} % of the range"
        )


def _describe(compared: Sequence[_Comparison], *, exact: bool) -> str:
    largest = max(comparison.largest for comparison in compared)
    if exact or not largest:
        return "bit-identical"
    return f"equal up to {100 * largest:.2g} % of the range, in another environment than the run"
