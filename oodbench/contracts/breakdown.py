"""What is kept of a row beside its numbers: which anomalies are found, what is mistaken for one, at what thresholds."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

BREAKDOWN_SCHEMA = 1


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BreakdownThreshold(_Record):
    """A score from which on pixels are called anomalous, and what comes of it. Fractions, None where undefined.

    Attributes:
        name: `test`: read from the benchmark's own labels, as the false positive rate of the row is; `calibrated`:
            chosen on in-distribution frames alone.
        title: how it was chosen, in words.
        score: the threshold; pixels that score at least this are called anomalous.
        expected: the false positive rate that it was chosen for; None for `test`.
        fpr: the share of the in-distribution pixels that are called anomalous.
        recall: the share of the anomalous pixels that are.
    """

    name: Literal["test", "calibrated"]
    title: str
    score: float
    expected: float | None
    fpr: float | None
    recall: float | None


class BreakdownGroup(_Record):
    """A part of the anomalous pixels.

    Attributes:
        kind: `size` of the anomaly, its `place` in the frame, the `class` that the network took its pixels for.
        name: which.
        objects: connected regions; None by class.
        pixels: anomalous pixels.
        ap: average precision with all in-distribution pixels and these anomalous ones alone.
        auroc: the same of AUROC.
        recall: threshold -> the share of these pixels that is called anomalous.
    """

    kind: Literal["size", "place", "class"]
    name: str
    objects: int | None
    pixels: int
    ap: float | None
    auroc: float | None
    recall: dict[str, float]


class ClassFalseAlarms(_Record):
    """The in-distribution pixels that the network took for one class.

    Attributes:
        name: the class.
        pixels: how many.
        called: threshold -> how many of them are called anomalous.
    """

    name: str
    pixels: int
    called: dict[str, int]


class Breakdown(_Record):
    """Which anomalies a scorer finds, and what it mistakes for one; one JSON file per result.

    Attributes:
        thresholds: `test` where there are anomalies, `calibrated` where the run had in-distribution frames.
        groups: Parts of the anomalous pixels, those that are not empty.
        false_alarms: The same of in-distribution pixels, by predicted class; empty if no predictions are stored.
    """

    schema_version: int = BREAKDOWN_SCHEMA
    thresholds: tuple[BreakdownThreshold, ...]
    groups: tuple[BreakdownGroup, ...]
    false_alarms: tuple[ClassFalseAlarms, ...]
