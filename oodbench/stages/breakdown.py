"""Which anomalies a row's scores find, by size, place and class, and what they mistake for one.

Sizes are shares of the frame's area. The place of an anomaly is that of its lowest pixel: on a level road the lower it
stands, the nearer it is. Both are of connected regions, eight neighbours a pixel. Pixels are called anomalous from two
thresholds on: the one at which the row's false positive rate is read, which knows the labels, and the score that one in
twenty calibration pixels exceeds, which doesn't.
"""

from __future__ import annotations

from collections import Counter

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
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.regions import label_regions
from oodbench.types import ANOMALY, AnomalyLabels, ClassMap, ClassSet, ScoreMap

SIZES = {"below 0.1 %": 0.001, "0.1 to 1 %": 0.01, "1 to 10 %": 0.1, "10 % and more": np.inf}
"""Name -> share of the frame below which a region belongs there."""

PLACES = {"upper half": 0.5, "third quarter": 0.75, "lowest quarter": np.inf}
"""Name -> height of the lowest pixel, as a share of the frame's from the top, below which a region belongs there."""

_FIRST_CLASS = len(SIZES) + len(PLACES)


class BreakdownCounter:
    """Takes in the frames of one row.

    Args:
        bins: of all frames.
        tpr: the true positive rate at which the protocol reads the false positive rate.
        calibration: of the method, or None.
        classes: those of the network, or None where they are not known.
    """

    def __init__(self, bins: SketchBins, tpr: float, calibration: Calibration | None, classes: ClassSet | None) -> None:
        self._tpr, self._classes = tpr, classes
        self._titles: dict[str, str] = {}
        thresholds: dict[str, float] = {}
        if not np.isnan(bins.threshold):
            thresholds["test"] = bins.threshold
            self._titles["test"] = f"finds {100 * tpr:g} % of the benchmark's anomalous pixels"
        if calibration is not None:
            exceeded = np.float32(calibration.score_at(1 - FALSE_ALARM_RATE))
            thresholds["calibrated"] = float(np.nextafter(exceeded, np.float32(np.inf)))
            self._titles["calibrated"] = f"{100 * FALSE_ALARM_RATE:g} % of the pixels of {calibration.source} exceed it"
        self._counts = BreakdownCounts(bins, thresholds, _FIRST_CLASS)
        self._objects: Counter[int] = Counter()
        self._predicted = False

    def update(self, score: ScoreMap, labels: AnomalyLabels, prediction: ClassMap | None) -> NDArray[np.int64]:
        """Take in one frame: score float32, labels and predicted classes uint8, all [H, W]; returns its sketch."""
        self._predicted |= prediction is not None
        regions = label_regions(labels.values == ANOMALY)
        height, width = regions.labels.shape
        area = regions.pixels / (height * width)
        lowest = (regions.boxes[:, 1] + regions.boxes[:, 3]) / height
        size = np.searchsorted(list(SIZES.values()), area, side="right")
        place = np.searchsorted(list(PLACES.values()), lowest, side="left") + len(SIZES)
        groups = np.stack([size, place], axis=1).astype(np.uint8)
        self._objects.update(groups[1:].ravel().tolist())  # region 0 is what is not anomalous
        return self._counts.update(score, labels, regions.labels, groups, prediction)

    def breakdown(self) -> Breakdown:
        """Return the breakdown over all frames."""
        counts = self._counts
        average_precision, auroc = counts.metrics(self._tpr)
        found = counts.count_above(counts.found)
        pixels = counts.fine.sum(axis=1)
        rows = []
        for code in np.flatnonzero(pixels):
            kind, name = self._name(int(code))
            rows.append(
                BreakdownGroup(
                    kind=kind,
                    name=name,
                    objects=None if kind == "class" else self._objects[int(code)],
                    pixels=int(pixels[code]),
                    ap=_nan_to_none(average_precision[code]),
                    auroc=_nan_to_none(auroc[code]),
                    recall={threshold: float(above[code] / pixels[code]) for threshold, above in found.items()},
                )
            )
        return Breakdown(thresholds=self._thresholds(), groups=tuple(rows), false_alarms=self._mistakes())

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

    def _mistakes(self) -> tuple[ClassFalseAlarms, ...]:
        if not self._predicted:
            return ()
        called = self._counts.count_above(self._counts.mistaken)
        pixels = self._counts.mistaken.sum(axis=1)
        return tuple(
            ClassFalseAlarms(
                name=self._class(int(index)),
                pixels=int(pixels[index]),
                called={threshold: int(above[index]) for threshold, above in called.items()},
            )
            for index in np.flatnonzero(pixels)
        )

    def _name(self, code: int) -> tuple[str, str]:
        if code < len(SIZES):
            return "size", list(SIZES)[code]
        if code < _FIRST_CLASS:
            return "place", list(PLACES)[code - len(SIZES)]
        return "class", self._class(code - _FIRST_CLASS)

    def _class(self, index: int) -> str:
        known = self._classes is not None and index < len(self._classes)
        return self._classes.names[index] if self._classes is not None and known else f"class {index}"


def _nan_to_none(value: np.floating) -> float | None:
    return None if np.isnan(value) else float(value)
