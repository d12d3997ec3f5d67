"""Per-frame counts from which the metrics of any weighting of the frames are computed without the pixels.

A `PixelSketch` has the pixels of each frame counted in the bins of the pool. The counts at the bins' edges are exact
for every weighting; within a bin, anomalous and in-distribution pixels are assumed to be mixed as in the pool. For
original and resampled frames the error is at most 0.0005 in AP, 0.001 in FPR95 and 0.0001 in AUROC, which a test checks
on sets of some thousand anomalous pixels. If at most a hundred anomalous scores are distinct, AP and FPR95 are exact. A
`FrameValues` has the metrics of each frame, for protocols that average them, and is exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.metrics.resampling.sketch_loop import accumulate_bins
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.types import ANOMALY, IN_DISTRIBUTION

SKETCH_VERSION = 1

# Resamples per step: their counts, half a megabyte, stay in the processor's cache.
_AT_ONCE = 32


class Sketch(ABC):
    """A sketch: compact counts of n units, from which metrics of resampled units are computed without the pixels.

    Units are frames, or groups of frames that are not independent. Bootstrap intervals and paired tests use sketches.

    Attributes:
        names: Names of the metrics, in their order.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameValues, Sketch
        >>> sketch: Sketch = FrameValues(("AP",), np.array([[0.4], [0.6]]), np.ones((2, 1), np.int64))
        >>> sketch.metrics(np.array([[1, 1], [2, 0]])).tolist()  # each frame once; the first frame twice
        [[0.5, 0.4]]
    """

    names: tuple[str, ...]

    @property
    @abstractmethod
    def units(self) -> int:
        """The number of units, n."""

    @abstractmethod
    def group(self, groups: Sequence[str]) -> Sketch:
        """Return a sketch whose units are groups of frames instead of single frames.

        Args:
            groups: The group of each frame (such as its scene), in the order of the frames.
        """

    @abstractmethod
    def _metrics(self, weights: NDArray[np.float64]) -> NDArray[np.float64]: ...

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the sketch as arrays to store in a file; `sketch_from` restores the sketch from them."""

    def metrics(self, weights: NDArray[np.generic] | None = None) -> NDArray[np.float64]:
        """Compute the metrics of samples of the units.

        Args:
            weights: [B, n], how often each of the n units is in each of B samples. None: one sample (B = 1) with each
                unit once.

        Returns:
            float64 [M, B], M metrics as fractions in the order of `names`; NaN if undefined.
        """
        chosen = np.ones((1, self.units)) if weights is None else weights.astype(np.float64)
        parts = [self._metrics(chosen[start : start + _AT_ONCE]) for start in range(0, len(chosen), _AT_ONCE)]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class PixelSketch(Sketch):
    """A sketch of frames: counts of each frame's pixels in bins of scores, for metrics of all pixels together.

    The metrics of the frames, or of resampled frames, are computed from these counts. Units are the frames, or groups
    of frames.

    Attributes:
        names: Names of the metrics: `AP`, the false positive rate (`FPR95`), `AUROC`.
        bins: The K bins of scores.
        counts: int64 [n, 2, K], the in-distribution and the anomalous pixels of each of n units in each bin.
        tpr: The true positive rate at which the false positive rate is read.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> sketch = run.sketch(run.results[0])
        >>> sketch.names, sketch.units, sketch.tpr
        (('AP', 'FPR95', 'AUROC'), 1, 0.95)
    """

    names: tuple[str, ...]
    bins: SketchBins
    counts: NDArray[np.int64]
    tpr: float

    @property
    @override
    def units(self) -> int:
        return len(self.counts)

    @override
    def group(self, groups: Sequence[str]) -> PixelSketch:
        return replace(self, counts=_sum_by_group(self.counts, groups))

    @override
    def _metrics(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        # Counts are whole numbers far below 2^53: the product is exact.
        counts = (weights @ self._flat).reshape(len(weights), 2, -1)  # [B, 2, K]
        here, normal = counts[:, ANOMALY], counts[:, IN_DISTRIBUTION]  # [B, K]
        half = np.where(self.bins.single, 0.0, 0.5)
        precision, false_positives, totals = np.empty_like(here), np.empty_like(here), np.empty((len(weights), 4))
        bins = (half, self.bins.passed, self.bins.wrong)
        at = accumulate_bins(here, normal, *bins, self.tpr, precision, false_positives, totals)
        start, before, positive, negative = totals.T  # [B] each
        with np.errstate(invalid="ignore", divide="ignore"):
            inside, beside = (np.take_along_axis(values, at[:, None], 1)[:, 0] for values in (here, normal))
            # The number of pixels needed is rounded up; the last one of the bin is at the end of the bin.
            needed = np.ceil(self.tpr * positive - start - 1e-6)
            gone = np.where(self.bins.single[at], 1.0, (needed / inside).clip(0, 1))
            return np.stack([
                np.einsum("bk,bk->b", here, precision) / positive,
                np.where(positive > 0, (before + gone * beside) / negative, np.nan),
                1 - np.einsum("bk,bk->b", here, false_positives) / (positive * negative),
            ])  # fmt: skip

    @cached_property
    def _flat(self) -> NDArray[np.float64]:
        """The counts as float64 [n, 2 K], for products with weights."""
        return self.counts.reshape(self.units, -1).astype(np.float64)

    @override
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "version": np.array(SKETCH_VERSION),
            "names": np.array(self.names),
            "edges": self.bins.edges,
            "single": self.bins.single,
            "passed": self.bins.passed,
            "wrong": self.bins.wrong,
            "threshold": np.array(self.bins.threshold),
            "counts": self.counts.astype(np.uint32),  # of one frame
            "tpr": np.array(self.tpr),
        }


@dataclass(frozen=True)
class FrameValues(Sketch):
    """A sketch of frames: the metrics of each frame, for protocols (rules of evaluation) that average them.

    The mean over the frames, or over resampled frames, is computed from these values. Units are the frames, or groups
    of frames.

    Attributes:
        names: Names of the M metrics.
        sums: float64 [n, M], for each of n units the sum of each metric over the frames in which it is defined.
        defined: int64 [n, M], the number of these frames.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameValues
        >>> sketch = FrameValues(("AP",), np.array([[0.4], [0.6], [0.8]]), np.ones((3, 1), np.int64))
        >>> sketch.group(["a", "a", "b"]).units, sketch.metrics().round(4).tolist()
        (2, [[0.6]])
    """

    names: tuple[str, ...]
    sums: NDArray[np.float64]
    defined: NDArray[np.int64]

    @property
    @override
    def units(self) -> int:
        return len(self.sums)

    @override
    def group(self, groups: Sequence[str]) -> FrameValues:
        return replace(self, sums=_sum_by_group(self.sums, groups), defined=_sum_by_group(self.defined, groups))

    @override
    def _metrics(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            means: NDArray[np.float64] = ((weights @ self.sums) / (weights @ self.defined)).T
        return means

    @override
    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "version": np.array(SKETCH_VERSION),
            "names": np.array(self.names),
            "sums": self.sums,
            "defined": self.defined,
        }


def sketch_from(arrays: Mapping[str, NDArray[np.generic]]) -> Sketch | None:
    """Restore a sketch (compact counts from which metrics are computed) from its arrays.

    Args:
        arrays: The arrays that `Sketch.arrays` returned.

    Returns:
        A `PixelSketch` or `FrameValues`; None if another version wrote the arrays.

    Examples:
        >>> import numpy as np
        >>> from oodbench.metrics import FrameValues, sketch_from
        >>> sketch = FrameValues(("AP",), np.array([[0.4], [0.6]]), np.ones((2, 1), np.int64))
        >>> sketch_from(sketch.arrays()).metrics().tolist()
        [[0.5]]
    """
    if int(arrays["version"]) != SKETCH_VERSION:
        return None
    content: dict[str, NDArray[Any]] = {name: np.asarray(values) for name, values in arrays.items()}
    names = tuple(str(name) for name in content["names"])
    if "sums" in content:
        return FrameValues(names, content["sums"], content["defined"])
    edges, single, passed, wrong = (content[name] for name in ("edges", "single", "passed", "wrong"))
    bins = SketchBins(edges, single, passed, wrong, float(content["threshold"]))
    return PixelSketch(names, bins, content["counts"].astype(np.int64), float(content["tpr"]))


def _sum_by_group(values: NDArray[Any], groups: Sequence[str]) -> NDArray[Any]:
    """Sum [frames, ...] to [groups, ...], in the order in which groups first occur."""
    order = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    total: NDArray[Any] = np.zeros((len(order), *values.shape[1:]), values.dtype)
    np.add.at(total, [order[group] for group in groups], values)
    return total
