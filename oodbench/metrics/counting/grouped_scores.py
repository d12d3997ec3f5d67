"""A multiset of scores in two bytes per pixel: the low halves of the keys, in segments of equal high half and group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.ordered_keys import HALF_BITS, keys_of

# The keys of infinity and -infinity; the keys beyond them are those of NaN.
_HIGHEST, _LOWEST = (int(keys_of(np.array([value], np.float32))[0]) for value in (np.inf, -np.inf))


@dataclass(frozen=True)
class GroupedScores:
    """Scores with a group each, sorted by bucket and then by group. The bucket is the high half of a score's key.

    Attributes:
        low: uint16 [n], the low halves of the keys, segment after segment, unordered within a segment.
        repeats: uint32 [n], the number of pixels with each low half; empty if each is one pixel.
        bucket: uint16 [S], the bucket of each segment.
        group: uint8 [S], the group of each segment.
        size: uint32 [S], the number of low halves of each segment, at least one.
    """

    low: NDArray[np.uint16]
    repeats: NDArray[np.uint32]
    bucket: NDArray[np.uint16]
    group: NDArray[np.uint8]
    size: NDArray[np.uint32]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """int64 [S + 1], the start of each segment in `low`, and the end of the last one."""
        return np.concatenate([[0], np.cumsum(self.size, dtype=np.int64)])

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """int64 [S], the number of pixels per segment."""
        if not self.repeats.size:
            return self.size.astype(np.int64)
        return np.add.reduceat(self.repeats, self.starts[:-1], dtype=np.int64)

    @property
    def keys(self) -> NDArray[np.uint32]:
        """uint32 [n], the whole keys."""
        return np.repeat(self.bucket.astype(np.uint32) << np.uint32(16), self.size) | self.low

    def count_nan(self) -> int:
        """Return the number of pixels that score NaN."""
        outer = np.flatnonzero((self.bucket >= _HIGHEST >> 16) | (self.bucket <= _LOWEST >> 16))
        broken = 0
        for segment in outer:
            where = slice(self.starts[segment], self.starts[segment + 1])
            keys = (int(self.bucket[segment]) << 16) + self.low[where].astype(np.int64)
            nan = (keys > _HIGHEST) | (keys < _LOWEST)
            broken += int(self.repeats[where][nan].sum()) if self.repeats.size else int(nan.sum())
        return broken

    def count_in_bins(
        self, edges: NDArray[np.uint32], first: NDArray[np.int64], counts: NDArray[np.int64], by_group: bool = False
    ) -> None:
        """Add the number of pixels per bin to counts, int64 [rows, bins].

        Args:
            edges: uint32, ascending, the lowest key of each bin but the last; the bins descend.
            first: int64 [2^16 + 1], the number of edges in lower buckets.
            counts: The counts: one row per group, or one row for all pixels.
            by_group: Whether there is a row per group.
        """
        group = self.group if by_group else np.zeros_like(self.group)
        kernels.count_in_bins(self.low, self.repeats, self.bucket, group, self.size, self.pixels, edges, first, counts)

    def problem(self) -> str | None:
        """Return what is wrong with the arrays; None if they are intact."""
        types = {"low": np.uint16, "repeats": np.uint32, "bucket": np.uint16, "group": np.uint8, "size": np.uint32}
        for name, dtype in types.items():
            values = getattr(self, name)
            if values.dtype != dtype or values.ndim != 1:
                return f"{name} is {values.dtype} {values.shape}; expected {np.dtype(dtype)} in one dimension"
        if not self.bucket.size == self.group.size == self.size.size:
            return f"{self.bucket.size} buckets, {self.group.size} groups and {self.size.size} sizes; expected the same"
        if self.starts[-1] != self.low.size or not self.size.all():
            return f"sizes that add up to {self.starts[-1]}; expected {self.low.size}, and none of 0"
        if self.repeats.size not in (0, self.low.size) or not self.repeats.all():
            return f"{self.repeats.size} numbers of pixels; expected {self.low.size}, and none of 0"
        order = self.bucket.astype(np.int64) << 8 | self.group
        if (np.diff(order) <= 0).any():
            return "segments that are not in order"
        return None

    def add_to_half_bins(self, counts: NDArray[np.int64]) -> None:
        """Add the number of pixels per half-precision score to counts, int64 [2^19]. All scores must have `repeats`."""
        np.add.at(counts, (self.keys >> np.uint32(HALF_BITS)).astype(np.int64), self.repeats.astype(np.int64))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]], prefix: str = "") -> GroupedScores:
        """Restore scores from their arrays, whose names begin with `prefix`.

        Raises:
            ValueError: An array is missing or damaged.
        """
        try:
            grouped = GroupedScores(**{field.name: arrays[prefix + field.name] for field in fields(GroupedScores)})  # type: ignore[arg-type]
        except KeyError as error:
            raise ValueError(f"no array {error}") from error
        problem = grouped.problem()
        if problem is not None:
            raise ValueError(prefix + problem)
        return grouped


def sort_into_groups(keys: NDArray[np.uint32], groups: NDArray[np.uint8], half: bool) -> GroupedScores:
    """Group scores in plain numpy.

    Args:
        keys: uint32, the keys of the scores.
        groups: uint8, the group of each; empty if all are in group 0.
        half: Whether all scores are half-precision numbers, which are then counted.
    """
    none = np.empty(0, np.uint32)
    if groups.size:
        low, wide = np.uint64(16), keys.astype(np.uint64)
        order = np.sort(wide >> low << np.uint64(24) | groups.astype(np.uint64) << low | wide & np.uint64(0xFFFF))
        group = (order >> low).astype(np.uint8)
        ordered = ((order >> np.uint64(8)) & np.uint64(0xFFFF0000) | order & np.uint64(0xFFFF)).astype(np.uint32)
    else:
        order = ordered = np.sort(keys)
        group = np.zeros(keys.size, np.uint8)
    if not half:
        return group_sorted(ordered, group, none)
    first = _find_changes(order)
    return group_sorted(ordered[first], group[first], np.diff(first, append=order.size).astype(np.uint32))


def group_sorted(keys: NDArray[np.uint32], groups: NDArray[np.uint8], repeats: NDArray[np.uint32]) -> GroupedScores:
    """Divide scores into segments; they are sorted by bucket and then by group.

    Args:
        keys: uint32, the keys of the scores.
        groups: uint8, the group of each.
        repeats: uint32, the number of pixels with each score; empty if each is one pixel.
    """
    bucket = keys >> np.uint32(16)
    first = _find_changes(bucket << np.uint32(8) | groups)
    size = np.diff(first, append=keys.size).astype(np.uint32)
    return GroupedScores(keys.astype(np.uint16), repeats, bucket[first].astype(np.uint16), groups[first], size)


def _find_changes(values: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return the positions of the values that differ from the value before, with that of the first value."""
    return np.concatenate([np.arange(min(1, values.size)), 1 + np.flatnonzero(values[1:] != values[:-1])])
