"""Bilinear resizing without antialiasing, in bands of rows, and nearest-neighbour resizing of labels.

`contracts.Scoring` describes the two interpolations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.types import Resize, ScoreMap, Size

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Taps:
    """The two input positions per output position along one axis, and the weight of the second one."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    weight: NDArray[np.float32]

    def part(self, start: int, stop: int) -> Taps:
        """Return the taps of output positions `start` to `stop`."""
        return Taps(self.first[start:stop], self.second[start:stop], self.weight[start:stop])


def linear_taps(length: int, out: int, resize: Resize = "bilinear") -> Taps:
    """Compute the taps that resize an axis of `length` positions to `out` positions.

    `bilinear` equals cv2.INTER_LINEAR and torch's `align_corners=False`; `bilinear-aligned` equals
    `align_corners=True`.
    """
    if resize == "bilinear-aligned":
        centre = _compute_aligned_centres(length, out)
    else:
        centre = (np.arange(out, dtype=np.float64) + 0.5) * (length / out) - 0.5
    return taps_at(centre, length)


def taps_at(centre: NDArray[np.float64], length: int) -> Taps:
    """Compute the taps of output positions at coordinates `centre` on an axis of `length` input positions; 0 is the
    first.
    """
    centre = np.clip(centre, 0.0, length - 1.0)
    first = np.floor(centre).astype(np.int32)
    second = np.minimum(first + 1, length - 1).astype(np.int32)
    return Taps(first, second, (centre - first).astype(np.float32))


def _compute_aligned_centres(length: int, out: int) -> NDArray[np.float64]:
    """Compute the coordinates of `out` positions among `length` if the first and the last of both coincide."""
    return np.arange(out, dtype=np.float64) * np.float64((length - 1) / max(out - 1, 1))


def resize_rows(values: Tensor, size: Size, start: int, stop: int, resize: Resize = "bilinear") -> Tensor:
    """Resize [..., h, w] to `size` and return rows `start` to `stop`: [..., stop - start, W].

    Each output row depends only on its position, so that concatenated bands equal the whole map bit for bit.
    """
    height, width = values.shape[-2:]
    if (height, width) == size:
        return values[..., start:stop, :]
    return sample_bilinear(
        values, linear_taps(height, size[0], resize).part(start, stop), linear_taps(width, size[1], resize)
    )


def sample_bilinear(values: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Interpolate [..., h, w] at the given rows and columns."""
    import torch

    def to_device(array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(values.device)

    upper = values.index_select(-2, to_device(rows.first))
    lower = values.index_select(-2, to_device(rows.second))
    band = torch.lerp(upper, lower, to_device(rows.weight)[:, None])  # [..., stop - start, w]
    left = band.index_select(-1, to_device(columns.first))
    right = band.index_select(-1, to_device(columns.second))
    return torch.lerp(left, right, to_device(columns.weight))  # [..., stop - start, W]


def resize_score(score: ScoreMap, size: Size, resize: Resize = "bilinear") -> ScoreMap:
    """Resize a score map [h, w] to `size`. cv2.INTER_LINEAR does `bilinear`; it has no variant with aligned corners."""
    if score.shape == size:
        return score
    if resize == "bilinear-aligned":
        import torch

        return np.asarray(resize_rows(torch.from_numpy(score), size, 0, size[0], resize).numpy())
    return np.asarray(cv2.resize(score, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def resize_labels(labels: NDArray[np.uint8], size: Size, resize: Resize = "bilinear") -> NDArray[np.uint8]:
    """Resize indices [h, w] to `size`: each output pixel takes the input pixel at its centre."""
    if labels.shape == size:
        return labels
    rows, columns = (nearest_labels(old, new, resize) for old, new in zip(labels.shape, size, strict=True))
    return labels[rows[:, None], columns[None, :]]


def nearest_labels(length: int, out: int, resize: Resize = "bilinear") -> NDArray[np.intp]:
    """Return the nearest of `length` input positions for each of `out` output positions, by pixel centres."""
    if resize == "bilinear-aligned":
        return (_compute_aligned_centres(length, out) + 0.5).astype(np.intp)
    return ((np.arange(out) + 0.5) * (length / out)).astype(np.intp)
