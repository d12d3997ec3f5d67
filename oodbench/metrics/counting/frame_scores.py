"""All scores of one frame by label, without their places: about two bytes per pixel.

Every metric of pixels can be computed from it. In-distribution and void pixels are counted by key and group in a first
pass over the map, and a second pass writes the low half of each key to its segment. The scores of anomalous pixels,
which are few, are stored whole, with the pixel's group and region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.checks import check_nan, check_shape, flatten_scores
from oodbench.metrics.counting.grouped_scores import GroupedScores, group_sorted, sort_into_groups
from oodbench.metrics.counting.ordered_keys import HALF_BITS, half_bins_to_keys, keys_of, scores_of
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, AnomalyLabels, ClassMap, ScoreMap

_HALF_MASK = (1 << HALF_BITS) - 1


@dataclass(frozen=True)
class FrameScores:
    """The scores of one frame, as a multiset per label; `group_scores` computes it.

    Attributes:
        normal: Scores of in-distribution pixels, grouped by predicted class; one group 0 without a prediction.
        void: Scores of void pixels, in group 0. They may be NaN.
        key: uint32 [P], the order-preserving keys of the scores of anomalous pixels.
        group: uint8 [P], their predicted classes; 0 without a prediction.
        region: int32 [P], their regions; empty if none were given.
        predicted: Whether a prediction was given.
        half_precision: Whether all scores are half-precision numbers, and no prediction was given. `normal` and `void`
            then have each score once, with its number of pixels.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameScores, POOLED, PixelCounts, group_scores, pixel_metrics
        >>> from oodbench.types import AnomalyLabels
        >>> scores: FrameScores = group_scores(np.float32([0.2, 0.9]), AnomalyLabels(np.array([0, 1], np.uint8)))
        >>> counts = PixelCounts()
        >>> counts.add(scores)
        >>> pixel_metrics(counts, POOLED).values["AUROC"]
        1.0
    """

    normal: GroupedScores
    void: GroupedScores
    key: NDArray[np.uint32]
    group: NDArray[np.uint8]
    region: NDArray[np.int32]
    predicted: bool
    half_precision: bool

    def pixels(self) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return all scores, float32 [n], and their labels, uint8 [n], in any order; -0.0 becomes 0.0."""
        parts = [(self.normal, IN_DISTRIBUTION), (self.void, VOID)]
        keys = [np.repeat(part.keys, part.repeats) if part.repeats.size else part.keys for part, _ in parts]
        labels = [np.full(values.size, label, np.uint8) for values, (_, label) in zip(keys, parts, strict=True)]
        anomalous = np.full(self.key.size, ANOMALY, np.uint8)
        return scores_of(np.concatenate([*keys, self.key])), np.concatenate([*labels, anomalous])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the scores as arrays; `from_arrays` restores them."""
        parts = {"normal": self.normal, "void": self.void}
        return {
            "flags": np.array([self.predicted, self.half_precision]),
            "key": self.key,
            "group": self.group,
            "region": self.region,
            **{f"{name}_{key}": values for name, part in parts.items() for key, values in part.arrays().items()},
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> FrameScores:
        """Restore scores from their arrays.

        Args:
            arrays: The arrays that `arrays` returned.

        Raises:
            ValueError: An array is missing or damaged.
        """
        try:
            flags, key, group, region = (arrays[name] for name in ("flags", "key", "group", "region"))
        except KeyError as error:
            raise ValueError(f"no array {error}") from error
        if flags.dtype != bool or flags.shape != (2,):
            raise ValueError(f"flags is {flags.dtype} {flags.shape}; expected bool (2,)")
        scores = FrameScores(
            GroupedScores.from_arrays(arrays, "normal_"),
            GroupedScores.from_arrays(arrays, "void_"),
            key,  # type: ignore[arg-type]
            group,  # type: ignore[arg-type]
            region,  # type: ignore[arg-type]
            predicted=bool(flags[0]),
            half_precision=bool(flags[1]),
        )
        problem = scores._problem()
        if problem is not None:
            raise ValueError(problem)
        return scores

    def _problem(self) -> str | None:
        """Return what is wrong with the arrays; None if they are intact."""
        for name, dtype in {"key": np.uint32, "group": np.uint8, "region": np.int32}.items():
            values = getattr(self, name)
            if values.dtype != dtype or values.ndim != 1:
                return f"{name} is {values.dtype} {values.shape}; expected {np.dtype(dtype)} in one dimension"
        sizes = self.key.size, self.group.size, self.region.size
        if sizes[1] != sizes[0] or sizes[2] not in (0, sizes[0]):
            return f"{sizes[0]} anomalous scores have {sizes[1]} groups and {sizes[2]} regions; expected as many"
        if self.region.size and self.region.min() < 0:
            return f"region {self.region.min()}; expected 0 or more"
        if self.void.group.any() or (not self.predicted and (self.normal.group.any() or self.group.any())):
            return "groups without a prediction"
        if any(
            bool(part.repeats.size) != (self.half_precision and part.low.size > 0) for part in (self.normal, self.void)
        ):
            return "numbers of pixels that do not match the precision of the scores"
        if self.half_precision and not all(map(_is_half_precision, (self.key, self.normal.keys, self.void.keys))):
            return "scores that are not half-precision numbers"
        broken = self.normal.count_nan() + int(np.isnan(scores_of(self.key)).sum())
        return f"{broken} valid pixels score NaN" if broken else None


def group_scores(
    score: ScoreMap,
    labels: AnomalyLabels,
    prediction: ClassMap | None = None,
    regions: NDArray[np.int32] | None = None,
    compiled: bool = True,
) -> FrameScores:
    """Collect the scores of one frame. Threads can call this at the same time; it releases the GIL.

    Args:
        score: float32 [H, W], higher = more anomalous. Any other shape works if the labels have it too.
        labels: Labels of the same shape.
        prediction: uint8 [H, W], predicted classes; None if there are none.
        regions: int32 [H, W], the region of each anomalous pixel; None if they are not needed.
        compiled: Whether compiled code groups the scores. If False, plain numpy does, which is slower.

    Returns:
        The scores of all pixels by label and predicted class, without their places.

    Raises:
        ScoreError: The shapes or types do not match, or the score of a pixel that is not void is NaN.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import group_scores
        >>> from oodbench.types import AnomalyLabels
        >>> scores = group_scores(np.float32([[0.25, 0.75, 0.5]]), AnomalyLabels(np.array([[0, 1, 255]], np.uint8)))
        >>> values, labels = scores.pixels()
        >>> values.tolist(), labels.tolist()
        ([0.25, 0.5, 0.75], [0, 255, 1])
    """
    bits, flat = flatten_scores(score, labels)
    for name, values in {"prediction": prediction, "map of regions": regions}.items():
        if values is not None:
            check_shape(name, values, score)
    classes = np.empty(0, np.uint8) if prediction is None else np.ascontiguousarray(prediction).ravel()
    # One count per half-precision score and class would take longer than one entry per pixel.
    half = prediction is None and not np.bitwise_or.reduce(bits) & np.uint32(_HALF_MASK)
    normal, void = (_group if compiled else _group_numpy)(bits, flat, classes, half)
    where = np.flatnonzero(flat == ANOMALY)
    anomalous = bits[where].view(np.float32)
    check_nan(normal.count_nan() + int(np.isnan(anomalous).sum()), int(normal.pixels.sum()) + where.size)
    return FrameScores(
        normal,
        void,
        keys_of(anomalous),
        np.zeros(where.size, np.uint8) if prediction is None else classes[where],
        np.empty(0, np.int32) if regions is None else np.ascontiguousarray(regions).ravel()[where],
        predicted=prediction is not None,
        half_precision=half,
    )


# Tables for the counts of a frame, reused by later frames and other threads. Taking one and putting it back are atomic.
_FREE: list[NDArray[np.uint32]] = []


def _group(
    bits: NDArray[np.uint32], labels: NDArray[np.uint8], classes: NDArray[np.uint8], half: bool
) -> tuple[GroupedScores, GroupedScores]:
    """Return the scores of in-distribution and of void pixels."""
    columns = int(classes.max(initial=0)) + 1
    shift = HALF_BITS if half else 16
    entries = ((columns + 1) << (32 - shift)) + 1
    free = _FREE.pop() if _FREE else np.empty(0, np.uint32)
    if free.size < entries:
        free = np.empty(entries, np.uint32)
    table = free[:entries]
    table[:] = 0
    kernels.count_groups(bits, labels, classes, shift, columns, table)
    normal, void = table[: columns << (32 - shift)], table[columns << (32 - shift) : -1]
    if half:
        grouped = [_list_values(normal), _list_values(void)]
    else:
        places = [np.flatnonzero(part) for part in (normal, void)]
        sizes = [part[place] for part, place in zip((normal, void), places, strict=True)]
        for part, place, size in zip((normal, void), places, sizes, strict=True):
            part[place] = np.cumsum(size) - size
        pixels = [int(size.sum()) for size in sizes]
        low, rest = np.empty(pixels[0], np.uint16), np.empty(bits.size - pixels[0], np.uint16)
        table[-1] = pixels[1]  # anomalous pixels follow the void ones
        kernels.fill_segments(bits, labels, classes, columns, table, low, rest)
        none, alone = np.empty(0, np.uint32), np.zeros(places[1].size, np.uint8)
        bucket, group = np.divmod(places[0], columns)
        grouped = [
            GroupedScores(low, none, bucket.astype(np.uint16), group.astype(np.uint8), sizes[0]),
            GroupedScores(rest[: pixels[1]].copy(), none, places[1].astype(np.uint16), alone, sizes[1]),
        ]
    _FREE.append(free)
    return grouped[0], grouped[1]


def _list_values(counts: NDArray[np.uint32]) -> GroupedScores:
    """Return the distinct half-precision scores in counts [2^19] by the high bits of the key, all in group 0."""
    value = np.flatnonzero(counts)
    return group_sorted(half_bins_to_keys(value), np.zeros(value.size, np.uint8), counts[value])


def _group_numpy(
    bits: NDArray[np.uint32], labels: NDArray[np.uint8], classes: NDArray[np.uint8], half: bool
) -> tuple[GroupedScores, GroupedScores]:
    """Return the same as `_group` in plain numpy; the order within a segment differs."""
    normal, void = labels == IN_DISTRIBUTION, labels > ANOMALY
    keys = keys_of(bits.view(np.float32))
    none = np.empty(0, np.uint8)
    return sort_into_groups(keys[normal], classes[normal] if classes.size else none, half), sort_into_groups(
        keys[void], none, half
    )


def _is_half_precision(keys: NDArray[np.uint32]) -> bool:
    return bool((keys == half_bins_to_keys(keys >> np.uint32(HALF_BITS))).all())
