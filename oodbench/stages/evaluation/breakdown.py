"""Breakdown of a result: recall of anomalies by size, place and predicted class, and false positives by class.

Recall and false positives are measured at two thresholds. The first is the threshold at which the result's false
positive rate is measured; it depends on the labels. The second is the score that 5 % of the calibration pixels exceed;
it does not depend on the labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import (
    FALSE_ALARM_RATE,
    Breakdown,
    BreakdownGroup,
    BreakdownThreshold,
    Calibration,
    ClassFalseAlarms,
)
from oodbench.metrics.breakdown import BreakdownCounts
from oodbench.metrics.measurements.chunk import FrameChunk, calibrated_threshold
from oodbench.metrics.measurements.frame import FrameMeasurement
from oodbench.metrics.measurements.region_groups import GROUPS, PLACES, SIZES, count_objects
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.types import ClassSet


class BreakdownCounter:
    """Counter for the breakdown of one result, accumulated frame by frame.

    Args:
        bins: Bins for the scores of all frames.
        tpr: The true positive rate at which the protocol measures the false positive rate.
        calibration: The scorer's calibration; None if there is none.
        classes: The network's classes; None if they are unknown.
    """

    def __init__(self, bins: SketchBins, tpr: float, calibration: Calibration | None, classes: ClassSet | None) -> None:
        self._tpr, self._classes = tpr, classes
        self._titles: dict[str, str] = {}
        thresholds: dict[str, float] = {}
        if not np.isnan(bins.threshold):
            thresholds["test"] = bins.threshold
            self._titles["test"] = f"finds {100 * tpr:g} % of the benchmark's anomalous pixels"
        if calibration is not None:
            thresholds["calibrated"] = calibrated_threshold(calibration)
            self._titles["calibrated"] = f"{100 * FALSE_ALARM_RATE:g} % of the pixels of {calibration.source} exceed it"
        self._counts = BreakdownCounts(bins, thresholds, GROUPS)
        self._objects = np.zeros(GROUPS, np.int64)
        self._predicted = False

    def update(self, frame: FrameMeasurement) -> NDArray[np.int64]:
        """Count one frame and return its sketch, int64 [2, K].

        Args:
            frame: The measurement of the frame's score map.
        """
        self._predicted |= frame.scores.predicted
        self._objects += count_objects(frame.groups)
        return self._counts.add(frame.scores, frame.groups)

    def take(self, chunk: FrameChunk) -> None:
        """Use the counts of a chunk, which contains all frames.

        Args:
            chunk: The chunk, in whose bins the breakdown is counted.
        """
        self._predicted, self._objects = chunk.predicted, chunk.objects
        self._counts = chunk.breakdown(self._counts.bins, self._counts.thresholds)

    def breakdown(self) -> Breakdown:
        """Return the breakdown over all frames."""
        counts = self._counts
        average_precision, auroc = counts.metrics(self._tpr)
        detected = counts.count_above(counts.found)
        pixels = counts.fine.sum(axis=1)
        groups = []
        for code in np.flatnonzero(pixels):
            kind, name = self._group_name(int(code))
            groups.append(
                BreakdownGroup(
                    kind=kind,
                    name=name,
                    objects=None if kind == "class" else int(self._objects[code]),
                    pixels=int(pixels[code]),
                    ap=_nan_to_none(average_precision[code]),
                    auroc=_nan_to_none(auroc[code]),
                    recall={threshold: float(above[code] / pixels[code]) for threshold, above in detected.items()},
                )
            )
        return Breakdown(thresholds=self._thresholds(), groups=tuple(groups), false_alarms=self._false_alarms())

    def _thresholds(self) -> tuple[BreakdownThreshold, ...]:
        counts = self._counts
        normal, anomalous = counts.called.sum(axis=1)
        return tuple(
            BreakdownThreshold(
                name="test" if name == "test" else "calibrated",
                title=self._titles[name],
                score=counts.thresholds[name],
                expected=None if name == "test" else FALSE_ALARM_RATE,
                fpr=float(above[0] / normal) if normal else None,
                recall=float(above[1] / anomalous) if anomalous else None,
            )
            for name, above in counts.count_above(counts.called).items()
        )

    def _false_alarms(self) -> tuple[ClassFalseAlarms, ...]:
        if not self._predicted:
            return ()
        false_alarms = self._counts.count_above(self._counts.mistaken)
        pixels = self._counts.mistaken.sum(axis=1)
        return tuple(
            ClassFalseAlarms(
                name=self._class_name(int(index)),
                pixels=int(pixels[index]),
                called={threshold: int(above[index]) for threshold, above in false_alarms.items()},
            )
            for index in np.flatnonzero(pixels)
        )

    def _group_name(self, code: int) -> tuple[str, str]:
        if code < len(SIZES):
            return "size", list(SIZES)[code]
        if code < GROUPS:
            return "place", list(PLACES)[code - len(SIZES)]
        return "class", self._class_name(code - GROUPS)

    def _class_name(self, index: int) -> str:
        if self._classes is None or index >= len(self._classes):
            return f"class {index}"
        return self._classes.names[index]


def _nan_to_none(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)
