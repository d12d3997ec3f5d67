"""Exact counting of one frame on the device that holds its scores.

The exact metrics (oodbench.metrics) do not depend on torch. This module computes the same integer keys with tensor
operations, sorts them on the device, and copies the arrays of the state to the CPU. That is two bytes per
in-distribution pixel instead of four. Results are bit-identical on all devices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ScoreError
from oodbench.metrics.counting.checks import check_nan
from oodbench.metrics.counting.counts import PixelCounts
from oodbench.metrics.counting.ordered_keys import HALF_BITS
from oodbench.metrics.evaluation import Count
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

_NEGATIVE_ZERO = -(1 << 31)  # the bits of the float32 -0.0 as an int32
_HALF_BINS = 1 << (32 - HALF_BITS)


def count_on_device(score: Tensor, labels: Tensor) -> PixelCounts:
    """Count one frame as `PixelCounts.update` does, on the device of its tensors.

    Args:
        score: Scores, float32 [H, W] on any device, higher = more anomalous.
        labels: Labels, uint8 [H, W] on the same device: 0 in-distribution, 1 anomaly, any other value void.

    Raises:
        ScoreError: The shape or type is wrong, or the score of a valid pixel is NaN.
    """
    import torch

    if score.shape != labels.shape or score.dtype != torch.float32:
        raise ScoreError(
            f"the score map is {score.dtype} {tuple(score.shape)} and its labels are {tuple(labels.shape)}; "
            "expected float32 and the same shape",
            "Fix the method that computes the scores.",
        )
    flat, bits = labels.reshape(-1), score.contiguous().view(torch.int32).reshape(-1)
    normal, anomalous = bits[flat == IN_DISTRIBUTION], bits[flat == ANOMALY]
    valid = normal.numel() + anomalous.numel()
    check_nan(sum(int((part & 0x7FFFFFFF > 0x7F800000).sum()) for part in (normal, anomalous)), valid)
    arrays: dict[str, NDArray[np.generic]] = {
        "totals": np.array([1, anomalous.numel() == 0, flat.numel() - valid], np.int64),
        "low": np.empty(0, np.uint16),
        "buckets": np.empty(0, np.uint16),
        "sizes": np.empty(0, np.int64),
        "positive": np.empty(0, np.uint32),
        "block_buckets": np.empty(0, np.int64),
        "block_positive": np.empty(0, np.int64),
    }
    half_precision = not bool((bits & ((1 << HALF_BITS) - 1)).any())
    count = _count_in_half_bins if half_precision else _count_in_buckets
    arrays |= count(_order_keys(normal), _order_keys(anomalous))
    return PixelCounts.from_arrays(arrays)


def find_counter(device: str) -> Count | None:
    """Return a function that counts frames on a network's device; None, for counting on the CPU, if it has no GPU.

    Results of a run on a GPU can be recomputed on machines without one.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    return make_counter(device) if torch.cuda.is_available() else None


def make_counter(device: str) -> Count:
    """Return a function that counts frames on a device."""
    import torch

    def count(score: ScoreMap, labels: AnomalyLabels) -> PixelCounts:
        return count_on_device(torch.from_numpy(score).to(device), torch.from_numpy(labels.values).to(device))

    return count


def _order_keys(bits: Tensor) -> Tensor:
    """Convert float32 bits to int32 keys in the order of the scores.

    The keys are those of the CPU code with the highest bit inverted, because torch compares int32 as signed.
    """
    import torch

    bits = torch.where(bits == _NEGATIVE_ZERO, 0, bits)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _count_in_buckets(normal: Tensor, anomalous: Tensor) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of one frame's state with keys in buckets."""
    import torch

    ordered = normal.sort().values
    buckets, sizes = torch.unique_consecutive(ordered >> 16, return_counts=True)
    positive = anomalous.cpu().numpy().view(np.uint32) ^ np.uint32(1 << 31)
    return {
        "low": ordered.to(torch.int16).cpu().numpy().view(np.uint16),  # the low 16 bits
        "buckets": (buckets + (1 << 15)).cpu().numpy().astype(np.uint16),
        "sizes": sizes.cpu().numpy(),
        "positive": positive,
        "block_buckets": np.array([buckets.numel()], np.int64),
        "block_positive": np.array([positive.size], np.int64),
    }


def _count_in_half_bins(normal: Tensor, anomalous: Tensor) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of one frame's state if all scores are half-precision values."""
    import torch

    counts = [
        torch.bincount((part >> HALF_BITS) + _HALF_BINS // 2, minlength=_HALF_BINS) for part in (normal, anomalous)
    ]
    bins = torch.stack(counts).any(dim=0).nonzero().flatten()
    return {
        "half_bins": bins.cpu().numpy(),
        "half_counts": torch.stack([part[bins] for part in counts]).cpu().numpy(),
    }
