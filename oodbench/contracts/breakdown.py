"""The breakdown of a result: detected anomalies by group, false alarms by predicted class, and the thresholds used."""

from __future__ import annotations

from typing import Final, Literal

from oodbench.frozen_record import FrozenRecord

BREAKDOWN_SCHEMA: Final = 1


class BreakdownThreshold(FrozenRecord):
    """A decision threshold and the resulting rates, as fractions; None if undefined.

    Attributes:
        name: `test`: chosen with the benchmark's own labels, as the false positive rate of the result is; `calibrated`:
            chosen on in-distribution frames only.
        title: How the threshold was chosen, in words.
        score: The threshold; pixels that score at least this are called anomalous.
        expected: The false positive rate for which the threshold was chosen; None for `test`.
        fpr: The share of the in-distribution pixels that are called anomalous.
        recall: The share of the anomalous pixels that are called anomalous.
    """

    name: Literal["test", "calibrated"]
    title: str
    score: float
    expected: float | None
    fpr: float | None
    recall: float | None


class BreakdownGroup(FrozenRecord):
    """A group of the anomalous pixels.

    Attributes:
        kind: `size` of the anomaly, its `place` in the frame, or the `class` that the network predicts for its pixels.
        name: Name of the group.
        objects: Number of connected regions; None if `kind` is `class`.
        pixels: Number of anomalous pixels.
        ap: Average precision of these anomalous pixels against all in-distribution pixels.
        auroc: AUROC of these anomalous pixels against all in-distribution pixels.
        recall: Maps each threshold to the share of these pixels that is called anomalous.
    """

    kind: Literal["size", "place", "class"]
    name: str
    objects: int | None
    pixels: int
    ap: float | None
    auroc: float | None
    recall: dict[str, float]


class ClassFalseAlarms(FrozenRecord):
    """The false alarms among the in-distribution pixels that the network predicts as one class.

    Attributes:
        name: Name of the class.
        pixels: Number of in-distribution pixels.
        called: Maps each threshold to the number of these pixels that are called anomalous.
    """

    name: str
    pixels: int
    called: dict[str, int]


class Breakdown(FrozenRecord):
    """The detected anomalies and the false alarms of a scorer; one JSON file per result.

    Attributes:
        schema_version: Version of this record's layout.
        thresholds: `test` if there are anomalies, `calibrated` if the run has in-distribution frames.
        groups: The groups of anomalous pixels that are not empty.
        false_alarms: The in-distribution pixels by predicted class; empty if no predictions are stored.

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
