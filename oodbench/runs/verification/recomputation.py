"""Check of score maps against the network: some frames, chosen at random, are scored again.

The frames are scored in the same batches and by the same code as in the run. In the recorded environment, the scores
must be bit-identical. In another one, the last digits differ, and a difference is wrong only above `PIXELS` and
`SHARE`. The limits apply to all pixels of a frame and to its anomalous pixels separately, because a forger would change
these few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
from oodbench.storage.keys import Key, fit_key, prediction_key, score_key
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
    for part in subject.record.benchmarks:
        stored = [index for index, frame in enumerate(part.frames) if _has_maps(subject, frame)]
        chosen = sorted(rng.choice(stored, min(count, len(stored)), replace=False).tolist())
        for network in subject.record.networks:
            reason = "no score maps are stored (--keep-scores)" if not stored else None
            reason = _find_obstacle(subject, network, part, count) or reason
            if reason:
                yield not_checked(f"recomputed scores of {network.name}, {part.name}", reason)
            else:
                yield from _check_frames(subject, network, part, chosen, seed)


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


def _has_maps(subject: Subject, frame: FrameRecord) -> bool:
    return any(subject.run.store.has(score_key(scorer.key, frame.key)) for scorer in subject.record.scorers)


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
    subject: Subject, network: SegmenterRecord, part: FrameSetRecord, chosen: Sequence[int], seed: int
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
                for key, (stored, again) in _pair_maps(subject, network, records[index], frame).items():
                    regions = _find_regions(frames[index], again)
                    comparisons[key].append(_Comparison.of(records[index].id, stored, again, regions))
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


def _pair_maps(
    subject: Subject, network: SegmenterRecord, record: FrameRecord, frame: ScoredFrame
) -> Mapping[str, tuple[NDArray[np.generic], NDArray[np.generic]]]:
    """Return the stored and the recomputed map of each scorer, and of the predicted classes, if they are stored."""
    keys: dict[str, tuple[Key, NDArray[np.generic]]] = {
        key: (score_key(key, record.key), score) for key, score in frame.scores.items()
    }
    if frame.prediction is not None:
        key = prediction_key(network.digest, subject.record.scoring, record.key)
        keys["classes"] = (key, frame.prediction)
    artifacts = subject.run.artifacts
    return {name: (artifacts.map(key), again) for name, (key, again) in keys.items() if artifacts.store.has(key)}


def _find_regions(frame: Frame, values: NDArray[np.generic]) -> list[NDArray[np.bool_]]:
    """Return masks of the pixels on which maps are compared: all of a frame, and its anomalous ones if it has any."""
    regions = [np.ones(values.shape, bool)]
    if frame.read_anomaly_labels is not None:
        anomalous = frame.read_anomaly_labels().values == ANOMALY
        regions += [anomalous] if anomalous.any() else []
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
