"""Counting where the scores are: one frame's state of the exact engine, made on the device that holds its scores.

The engine itself (oodbench.metrics) knows no torch. Here its keys are made by the same integer arithmetic in tensors,
filed by sorting, which is what a GPU is fast at, and brought over as the arrays that a state consists of: two bytes an
in-distribution pixel instead of the score's four. States from any device add up to the same numbers, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ScoreError
from oodbench.metrics.counting.counts import PixelCounts, check_nan
from oodbench.metrics.counting.ordered_keys import HALF_BITS
from oodbench.metrics.evaluation import Count
from oodbench.types import ANOMALY, IN_DISTRIBUTION, AnomalyLabels, ScoreMap

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST = -(1 << 31)  # of int32; as the bits of a float32: -0.0
_HALF_BINS = 1 << (32 - HALF_BITS)


def count_on_device(score: Tensor, labels: Tensor) -> PixelCounts:
    """What `PixelCounts.update` would have counted of one frame.

    Args:
        score: float32 [H, W] on any device, higher = more anomalous.
        labels: uint8 [H, W] on the same device: 0 in-distribution, 1 anomaly, anything else void.

    Raises:
        ScoreError: another shape or type, or NaN in a pixel that counts.
    """
    import torch

    if score.shape != labels.shape or score.dtype != torch.float32:
        raise ScoreError(
            f"the score map is {score.dtype} {tuple(score.shape)} and its labels are {tuple(labels.shape)}; "
            "expected float32, and the same shape"
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
    half_born = not bool((bits & ((1 << HALF_BITS) - 1)).any())
    arrays |= (_count_in_half_bins if half_born else _count_in_buckets)(_order_keys(normal), _order_keys(anomalous))
    return PixelCounts.from_arrays(arrays)


def find_counter(device: str) -> Count | None:
    """What counts frames on the device of a network; None, for the engine's own loops, where there is no such GPU.

    Rows from a run on a GPU are evaluated again on machines without one.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    return make_counter(device) if torch.cuda.is_available() else None


def make_counter(device: str) -> Count:
    """Counts frames on the device."""
    import torch

    def count(score: ScoreMap, labels: AnomalyLabels) -> PixelCounts:
        return count_on_device(torch.from_numpy(score).to(device), torch.from_numpy(labels.values).to(device))

    return count


def _order_keys(bits: Tensor) -> Tensor:
    """int32 in the order of the scores: the engine's key with its highest bit turned, as there is no unsigned order."""
    import torch

    bits = torch.where(bits == _SMALLEST, 0, bits)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


def _count_in_buckets(normal: Tensor, anomalous: Tensor) -> dict[str, NDArray[np.generic]]:
    """The arrays of one frame filed by buckets."""
    import torch

    filed = normal.sort().values
    buckets, sizes = torch.unique_consecutive(filed >> 16, return_counts=True)
    positive = anomalous.cpu().numpy().view(np.uint32) ^ np.uint32(1 << 31)
    return {
        "low": filed.to(torch.int16).cpu().numpy().view(np.uint16),  # its low half
        "buckets": (buckets + (1 << 15)).cpu().numpy().astype(np.uint16),
        "sizes": sizes.cpu().numpy(),
        "positive": positive,
        "block_buckets": np.array([buckets.numel()], np.int64),
        "block_positive": np.array([positive.size], np.int64),
    }


def _count_in_half_bins(normal: Tensor, anomalous: Tensor) -> dict[str, NDArray[np.generic]]:
    """The arrays of one frame whose scores were born in half precision."""
    import torch

    counted = [
        torch.bincount((part >> HALF_BITS) + _HALF_BINS // 2, minlength=_HALF_BINS) for part in (normal, anomalous)
    ]
    bins = torch.stack(counted).any(dim=0).nonzero().flatten()
    return {
        "half_bins": bins.cpu().numpy(),
        "half_counts": torch.stack([part[bins] for part in counted]).cpu().numpy(),
    }
