"""Measurement of a chunk of frames in counts whose size does not depend on the number of pixels.

The scores are counted in bins that are fixed before the first map is scored: in a million buckets, which bound the
metrics (oodbench.metrics.counting.streaming_bounds), and per frame and class in a thousand bins of a sketch, from which
intervals and the breakdown are computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import FALSE_ALARM_RATE, Calibration
from oodbench.files import digest_bytes
from oodbench.metrics.breakdown import CLASSES, BreakdownCounts, count_anomalous
from oodbench.metrics.counting.bucket_counts import BucketCounts
from oodbench.metrics.counting.buckets import Buckets, place_edges
from oodbench.metrics.counting.frame_scores import FrameScores
from oodbench.metrics.counting.ordered_keys import keys_of, scores_of
from oodbench.metrics.measurements.frame import FrameMeasurement
from oodbench.metrics.measurements.region_groups import GROUPS, count_objects
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels

# Bins of a sketch: half of them above the median of the in-distribution scores, where anomalies are.
_BINS = 1024


@dataclass(frozen=True, eq=False)
class ChunkBins:
    """Bins that are fixed before the first map is scored.

    Attributes:
        buckets: The buckets, among whose edges are those of the sketch.
        edges: uint32 [K - 1], descending, the lowest key of each bin of the sketch but the last.
    """

    buckets: Buckets
    edges: NDArray[np.uint32]

    @staticmethod
    def of(calibration: Calibration) -> ChunkBins:
        """Place the bins by the quantiles of in-distribution scores."""
        placed = place_edges(calibration, by_share=_BINS // 4, by_rarity=_BINS // 4, beyond_median=_BINS // 2)
        calibrated = keys_of(np.array([calibrated_threshold(calibration)], np.float32))
        edges = np.union1d(placed, calibrated)
        buckets = Buckets(np.union1d(Buckets.calibrated(calibration).edges, edges))
        return ChunkBins(buckets, edges[::-1].copy())

    @cached_property
    def name(self) -> str:
        """A name that differs if the bins differ."""
        return digest_bytes(self.buckets.edges.tobytes() + self.edges.tobytes())[:12]

    @cached_property
    def sketch(self) -> SketchBins:
        """The bins of the sketch, without what is known of the scores in them."""
        return SketchBins.at(self.edges)


def calibrated_threshold(calibration: Calibration) -> float:
    """Return the lowest score above the quantile that 5 % of the calibration pixels exceed."""
    quantile = np.float32(calibration.score_at(1 - FALSE_ALARM_RATE))
    return float(np.nextafter(quantile, np.float32(np.inf)))


class FrameChunk:
    """Measurement of a chunk of frames; chunks of other frames can be merged into it, in any order.

    Args:
        bins: The bins.

    Attributes:
        bins: The bins, as passed.
        counts: The pixels of all frames by bucket.
        digests: Maps the name of each frame to the digest of its score map.
        sketches: Maps the name of each frame to int64 [2, K], its pixels by label and bin of the sketch.
        fine: int64 [groups + 256, K], anomalous pixels by group or class, and bin.
        mistaken: int64 [256, K], in-distribution pixels by class and bin.
        objects: int64 [groups], the number of objects in each group.
        predicted: Whether classes were predicted.
    """

    def __init__(self, bins: ChunkBins) -> None:
        self.bins = bins
        self.counts = BucketCounts(bins.buckets)
        self.digests: dict[str, str] = {}
        self.sketches: dict[str, NDArray[np.int64]] = {}
        self.objects = np.zeros(GROUPS, np.int64)
        self.predicted = False
        self.fine = np.zeros((GROUPS + CLASSES, bins.edges.size + 1), np.int64)
        self.mistaken = np.zeros((CLASSES, bins.edges.size + 1), np.int64)

    def add(self, frame: str, measurement: FrameMeasurement) -> None:
        """Count one frame.

        Args:
            frame: A name of the frame that no other frame has, whose content can be the same.
            measurement: The measurement of its score map.
        """
        score, labels = measurement.scores.pixels()
        self.counts.update(score, AnomalyLabels(labels))
        self.digests[frame] = measurement.digest
        self.sketches[frame] = self._count(measurement.scores, measurement.groups)
        self.objects += count_objects(measurement.groups)
        self.predicted |= measurement.scores.predicted

    def _count(self, scores: FrameScores, groups: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Count the scores of a frame for the breakdown, and return its sketch."""
        classes = int(scores.normal.group.max(initial=0)) + 1
        mistaken = np.zeros((classes, self.bins.edges.size + 1), np.int64)
        scores.normal.count_in_bins(*self.bins.sketch.ascending, mistaken, by_group=True)
        if scores.predicted:
            self.mistaken[:classes] += mistaken
        anomalous = np.zeros(mistaken.shape[1], np.int64)
        count_anomalous(scores, groups, GROUPS, self.bins.sketch, anomalous, self.fine)
        return np.stack([mistaken.sum(axis=0), anomalous])

    def merge(self, others: Iterable[FrameChunk]) -> None:
        """Add chunks of other frames, counted in the same bins."""
        for other in others:
            self.counts.merge([other.counts])
            self.digests |= other.digests
            self.sketches |= other.sketches
            self.objects += other.objects
            self.predicted |= other.predicted
            self.fine += other.fine
            self.mistaken += other.mistaken

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the measurement as arrays; `from_arrays` restores it with the same bins."""
        sketches = (
            np.stack([self.sketches[frame] for frame in self.digests])
            if self.digests
            else np.zeros((0, 2, 1), np.int64)
        )
        content: dict[str, NDArray[np.generic]] = {
            "digests": np.frombuffer(json.dumps(self.digests).encode(), np.uint8),
            "predicted": np.array([self.predicted]),
            "objects": self.objects,
        }
        for name, values in {"sketches": sketches, "fine": self.fine, "mistaken": self.mistaken}.items():
            where = np.flatnonzero(values)
            content |= {
                f"{name}_where": where.astype(np.uint32),
                f"{name}_counts": values.ravel()[where].astype(np.uint32),
            }
        return content | {f"counts.{name}": values for name, values in self.counts.arrays().items()}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]], bins: ChunkBins) -> FrameChunk:
        """Restore a measurement from its arrays.

        Raises:
            ValueError: The arrays are not those of a chunk.
            KeyError: An array is missing.
            UsageError: The scores were counted in other bins.
        """
        chunk = FrameChunk(bins)
        chunk.digests, chunk.predicted = read_digests(arrays), bool(arrays["predicted"][0])
        own = {name.removeprefix("counts."): values for name, values in arrays.items() if name.startswith("counts.")}
        chunk.counts = BucketCounts.from_arrays(own, bins.buckets)
        chunk.objects += arrays["objects"].astype(np.int64)
        sketches = np.zeros((len(chunk.digests), 2, bins.edges.size + 1), np.int64)
        for name, values in {"sketches": sketches, "fine": chunk.fine, "mistaken": chunk.mistaken}.items():
            values.ravel()[arrays[f"{name}_where"].astype(np.intp)] = arrays[f"{name}_counts"]
        chunk.sketches = dict(zip(chunk.digests, sketches, strict=True))
        return chunk

    def final_bins(self, tpr: float) -> SketchBins:
        """Return the bins of the sketch with what is known of all counted scores in them."""
        counts, edges = self.counts, self.bins.edges
        # The buckets and the bins descend.
        true, false = (counts.counts[label][::-1] for label in (ANOMALY, IN_DISTRIBUTION))
        lowest, others_lowest = (counts.lowest[label][::-1] for label in (ANOMALY, IN_DISTRIBUTION))
        highest, others_highest = (counts.highest[label][::-1] for label in (ANOMALY, IN_DISTRIBUTION))
        bucket_edges = np.append(counts.buckets.edges[::-1], 0)
        place = edges.size - np.searchsorted(edges[::-1], bucket_edges, side="right")
        first = np.flatnonzero(np.diff(place, prepend=-1))
        before = np.cumsum(false) - false
        within = before - np.repeat(before[first], np.diff(np.append(first, place.size)))
        inside = np.add.reduceat(true, first) * np.add.reduceat(false, first)
        # Of the in-distribution pixels in a bucket, all, none, or by assumption half score as high as an anomalous one.
        higher = np.select([others_lowest > highest, others_highest < lowest], [1.0, 0.0], 0.5)
        as_high = np.select([others_lowest >= highest, others_highest < lowest], [1.0, 0.0], 0.5)

        def mean_of(share: NDArray[np.float64]) -> NDArray[np.float64]:
            passed = np.add.reduceat(true * (within + share * false), first)
            means = np.full(edges.size + 1, 0.5)
            means[place[first]] = np.divide(passed, inside, out=np.full(first.size, 0.5), where=inside > 0)
            return means

        single = np.zeros(edges.size + 1, bool)
        single[place[first]] = np.maximum.reduceat(highest, first) <= np.minimum.reduceat(lowest, first)
        found = np.sum(list(self.sketches.values()), axis=0)[ANOMALY]
        threshold = float("nan")
        if found.any():
            reached = int(np.argmax(np.cumsum(found) / found.sum() >= tpr))
            threshold = float(scores_of(edges[[min(reached, edges.size - 1)]])[0])
        return SketchBins(edges, single, mean_of(as_high), mean_of(higher), threshold)

    def breakdown(self, bins: SketchBins, thresholds: Mapping[str, float]) -> BreakdownCounts:
        """Return the counts of the breakdown at thresholds that are edges of the sketch."""
        counts = BreakdownCounts(bins, thresholds, GROUPS)
        levels = len(thresholds) + 1
        ends = np.append(self.bins.edges.astype(np.int64), -1)  # the lowest key of each bin
        keys = keys_of(np.array([*thresholds.values()], np.float32)).astype(np.int64)
        level = (keys[:, None] > ends).sum(axis=0)  # [K]
        into = np.eye(levels, dtype=np.int64)[level]  # [K, levels]
        pool = np.sum(list(self.sketches.values()), axis=0)
        counts.fine[...], counts.pool[...] = self.fine, pool
        counts.found[...], counts.mistaken[...], counts.called[...] = (
            self.fine @ into,
            self.mistaken @ into,
            pool @ into,
        )
        return counts


def read_digests(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, str]:
    """Return the digest of the score map by the name of its frame, from the arrays of a `FrameChunk`."""
    return dict(json.loads(bytes(arrays["digests"])))
