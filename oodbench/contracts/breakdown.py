"""The breakdown of a result: detected anomalies by group, false alarms by predicted class, and the thresholds used."""

from __future__ import annotations

from typing import Final, Literal

from oodbench.frozen_record import FrozenRecord
from oodbench.text import Name, Note

BREAKDOWN_SCHEMA: Final = 1


class BreakdownThreshold(FrozenRecord):
    """A threshold of a `Breakdown` and the rates at this threshold, as fractions; None if undefined.

    Attributes:
        name: `test`: the threshold at which the false positive rate of the result is measured, which depends on the
            benchmark's labels. `calibrated`: a threshold that was chosen on in-distribution frames only.
        title: Description of how the threshold was chosen.
        score: The threshold; pixels that score at least this are predicted as anomalous.
        expected: The false positive rate for which the threshold was chosen; None for `test`.
        fpr: The share of the in-distribution pixels that are predicted as anomalous.
        recall: The share of the anomalous pixels that are predicted as anomalous.
    """

    name: Literal["test", "calibrated"]
    title: Note
    score: float
    expected: float | None
    fpr: float | None
    recall: float | None


class BreakdownGroup(FrozenRecord):
    """A group of the anomalous pixels in a `Breakdown`.

    Attributes:
        kind: The property by which pixels are grouped. `size`: the size of the anomaly. `place`: its height in the
            frame. `class`: the class that the network predicts for the pixel.
        name: Name of the group.
        objects: Number of connected regions of anomalous pixels; None if `kind` is `class`.
        pixels: Number of anomalous pixels in the group.
        ap: Average precision of the group's pixels against all in-distribution pixels.
        auroc: AUROC of the group's pixels against all in-distribution pixels.
        recall: Maps the name of each threshold to the share of the group's pixels that are predicted as anomalous.
    """

    kind: Literal["size", "place", "class"]
    name: Name
    objects: int | None
    pixels: int
    ap: float | None
    auroc: float | None
    recall: dict[Name, float]


class ClassFalseAlarms(FrozenRecord):
    """The false positives among the in-distribution pixels for which the network predicts one class.

    Attributes:
        name: Name of the class.
        pixels: Number of in-distribution pixels for which the network predicts the class.
        called: Maps the name of each threshold to the number of these pixels that are predicted as anomalous.
    """

    name: Name
    pixels: int
    called: dict[Name, int]


class Breakdown(FrozenRecord):
    """The anomalies that a method detects by size, place and class, and its false positives by class.

    A run stores one JSON file per result.

    Attributes:
        schema_version: Version of this record's format.
        thresholds: The thresholds: `test` if there are anomalies, and `calibrated` if the run has in-distribution
            frames.
        groups: The groups of anomalous pixels, without empty groups.
        false_alarms: The false positives by predicted class; empty if no predicted classes are stored.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> breakdown = run.breakdown(run.results[0])
        >>> [threshold.name for threshold in breakdown.thresholds]
        ['test', 'calibrated']
        >>> sorted({group.kind for group in breakdown.groups})
        ['class', 'place', 'size']
    """

    schema_version: Literal[1] = BREAKDOWN_SCHEMA
    thresholds: tuple[BreakdownThreshold, ...]
    groups: tuple[BreakdownGroup, ...]
    false_alarms: tuple[ClassFalseAlarms, ...]
