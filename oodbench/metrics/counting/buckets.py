"""Buckets of scores: where they are placed, and the search for the bucket of a score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import Calibration
from oodbench.errors import UsageError
from oodbench.metrics.counting import kernels
from oodbench.metrics.counting.ordered_keys import HALF_BITS, count_edges_below, keys_of

_FEWEST, _MOST = 12, 22

# Buckets that a calibration places, in addition to one for each half-precision score.
_PLACED = 1 << 19

# The smallest share of in-distribution pixels above an edge that is placed by the logarithm of this share.
_RAREST = 1e-6

# Scores at which many methods saturate.
_SATURATED = np.array([-1, 0, 1], np.float32)


@dataclass(frozen=True, eq=False)
class Buckets:
    """Consecutive ranges of scores, in which `BucketCounts` counts pixels; every score is in exactly one of them.

    `Buckets.even` and `Buckets.calibrated` create them. Buckets with the same edges are equal.

    Attributes:
        edges: uint32 [K - 1], ascending: the lowest score in each bucket but the first, as an integer that has the same
            order as the score.

    Examples:
        >>> from oodbench.metrics import Buckets
        >>> Buckets.even(16).size
        65536
    """

    edges: NDArray[np.uint32]

    @staticmethod
    def even(bits: int) -> Buckets:
        """Return 2^bits buckets, each of which contains the scores whose ordered integers have the same first bits.

        Args:
            bits: Number of bits, 12 to 22.

        Raises:
            UsageError: The number of bits is out of range.
        """
        if not _FEWEST <= bits <= _MOST:
            raise UsageError(f"{bits} bits for the buckets; expected {_FEWEST} to {_MOST}", "Set bits to 16 or 19.")
        return Buckets(np.arange(1, 1 << bits, dtype=np.uint32) << np.uint32(32 - bits))

    @staticmethod
    def calibrated(calibration: Calibration) -> Buckets:
        """Return about a million buckets that are narrow where the scores of a method are.

        Half of the buckets are those of `even(19)`, so each half-precision score has a bucket, and any score is in a
        narrow one. The others are placed by the quantiles of in-distribution scores: evenly by the share of pixels
        above, evenly by the logarithm of this share, because precision changes fastest at the highest scores, and
        evenly between the median and a score as far above the maximum, where anomalies are. A score that many pixels
        share has a separate bucket if it is a quantile.

        Args:
            calibration: Quantiles of the method's scores on in-distribution pixels.

        Examples:
            >>> import numpy as np
            >>> from oodbench.contracts import Calibration
            >>> from oodbench.metrics import Buckets
            >>> levels = np.linspace(0, 1, 101)
            >>> calibration = Calibration(levels, (9 * levels).astype(np.float32), "3 frames")
            >>> 1 << 19 < Buckets.calibrated(calibration).size < 1 << 20
            True
        """
        placed = place_edges(calibration, by_share=_PLACED // 2, by_rarity=_PLACED // 4, beyond_median=_PLACED // 4)
        single = keys_of(np.append(calibration.quantiles, _SATURATED))
        edges = [Buckets.even(32 - HALF_BITS).edges, placed, single, single + 1]
        return Buckets(np.unique(np.concatenate(edges)).astype(np.uint32))

    @property
    def size(self) -> int:
        """K, the number of buckets."""
        return self.edges.size + 1

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """int64 [2^16 + 1], for `bucket_of`: the number of edges below each value of a key's high 16 bits."""
        return count_edges_below(self.edges)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Buckets) and np.array_equal(self.edges, other.edges)


def place_edges(calibration: Calibration, *, by_share: int, by_rarity: int, beyond_median: int) -> NDArray[np.uint32]:
    """Place edges where the scores of a method are.

    Args:
        calibration: Quantiles of the method's scores on in-distribution pixels.
        by_share: Number of edges that are evenly spaced by the share of in-distribution pixels above.
        by_rarity: Number of edges that are evenly spaced by the logarithm of this share.
        beyond_median: Number of edges that are evenly spaced from the median to a score as far above the maximum.

    Returns:
        The keys of the edges, uint32, ascending and distinct; fewer if edges are equal or infinite.
    """
    levels, quantiles = calibration.levels, calibration.quantiles.astype(np.float64)
    middle, top = calibration.score_at(0.5), quantiles[-1]
    shares = (np.linspace(0, 1, by_share), 1 - np.geomspace(1, _RAREST, by_rarity))
    with np.errstate(invalid="ignore", over="ignore"):  # quantiles or edges that are infinite
        scores = [
            *(np.interp(share, levels, quantiles) for share in shares),
            np.linspace(middle, 2 * top - middle, beyond_median),
        ]
        placed = np.concatenate(scores).astype(np.float32)
    return np.unique(keys_of(placed[np.isfinite(placed)]))


@numba.njit(inline="always")
def bucket_of(key: Any, edges: NDArray[np.uint32], first: NDArray[np.int64]) -> Any:
    """Return the number of edges that are at most a key. Only edges with its high 16 bits are searched."""
    high = np.int64(key >> np.uint32(16))
    return edges.size - kernels.bin_of(key, edges, first[high], first[high + 1])
