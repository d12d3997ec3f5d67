"""Check of what a run measured on in-distribution frames: the networks' quality and the scorers' calibrations.

Both are measured again, by the same code and on all of these frames. The environment in which they were measured is not
recorded, so the numbers must agree within tolerances.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from oodbench.contracts import Calibration
from oodbench.planning.plan import Plan
from oodbench.planning.records import FrameSetRecord, SegmenterRecord
from oodbench.runs.verification.check import VerificationCheck, judge, not_checked
from oodbench.runs.verification.differences import find_differences
from oodbench.runs.verification.recomputation import SHARE, load_methods
from oodbench.runs.verification.subject import Subject
from oodbench.stages.calibrate import calibrate
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Kind, calibration_key, quality_key
from oodbench.storage.scratch import ScratchStore

QUALITY = 1e-3
"""Largest difference of mIoU, ECE and the other qualities: the last digit of tables, in percent."""

CLASS_QUALITY = 1e-2
"""Largest difference of the IoU of one class, which can have few pixels."""


def check_calibration(subject: Subject, count: int) -> Iterator[VerificationCheck]:
    """Measure the quality and the calibrations again and compare them with the stored ones.

    Args:
        subject: The run, with the networks, methods and frames that are the recorded ones.
        count: Number of frames that are recomputed per benchmark; 0: the networks are not used.
    """
    part = subject.record.calibrate
    for network in subject.record.networks if part is not None else ():
        assert part is not None
        stored = subject.run.artifacts.json(quality_key(network.digest, part))
        if stored is None:
            continue
        what = f"quality of {network.name}"
        if not count:
            yield not_checked(what, "the network was not used (--recompute 0)")
        elif network.name not in subject.networks:
            yield not_checked(what, "the network is not available or has changed")
        elif (part.name, part.split) not in subject.frames:
            yield not_checked(what, f"the frames of {part.name} {part.split} are not available or have changed")
        else:
            yield from _measure_again(subject, network, part, stored, what)


def _measure_again(
    subject: Subject, network: SegmenterRecord, part: FrameSetRecord, stored: Mapping[str, Any], what: str
) -> Iterator[VerificationCheck]:
    methods, _ = load_methods(subject, network)
    scorers = [scorer for scorer in subject.scorers(network) if scorer.key in methods]
    record = subject.record.model_copy(update={"networks": (network,), "scorers": tuple(scorers)})
    segmenter, frames = subject.networks[network.name], subject.frames[part.name, part.split]
    scratch = RunArtifacts(ScratchStore(subject.run.store, frozenset({Kind.CALIBRATION, Kind.QUALITY})))
    calibrate(Plan(record, {network.name: segmenter}, methods, frames), scratch, subject.progress)
    again = scratch.json(quality_key(network.digest, part))
    classes = find_differences(stored.get("iou"), again.pop("iou"), CLASS_QUALITY, "IoU")
    rest = find_differences({name: value for name, value in stored.items() if name != "iou"}, again, QUALITY)
    confirmed = f"mIoU, ECE and confidence on {part.name} {part.split}, equal within {QUALITY} if recomputed"
    yield judge(what, [*rest, *classes], confirmed)
    for scorer in scorers:
        key = calibration_key(scorer.key, part)
        before, after = subject.run.artifacts.calibration(key), scratch.calibration(key)
        if before is not None and after is not None:
            problems = _compare_calibrations(before, after)
            confirmed = f"score quantiles, equal within {100 * SHARE:g} % of their range if recomputed"
            yield judge(f"calibration of {scorer.label} on {network.name}", problems, confirmed)


def _compare_calibrations(stored: Calibration, again: Calibration) -> Iterator[str]:
    if stored.source != again.source or not np.array_equal(stored.levels, again.levels):
        yield f"its source or levels differ from those of {again.source}"
        return
    differences = np.abs(stored.quantiles - again.quantiles)
    worst = int(np.argmax(differences))
    if not differences[worst] <= SHARE * np.ptp(again.quantiles):
        yield (
            f"the quantile {stored.levels[worst]:g} is {again.quantiles[worst]:.6g} if recomputed; "
            f"{stored.quantiles[worst]:.6g} is stored"
        )
