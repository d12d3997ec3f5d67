"""Bilinear resizing without antialiasing, in bands of rows, and nearest for labels; contracts.Scoring has the kinds."""

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
    """For each output position along one axis: the two input positions and the weight of the second."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    weight: NDArray[np.float32]

    def part(self, start: int, stop: int) -> Taps:
        """The taps of output positions `start` to `stop`."""
        return Taps(self.first[start:stop], self.second[start:stop], self.weight[start:stop])


def linear_taps(length: int, out: int, resize: Resize = "bilinear") -> Taps:
    """The taps that bring `length` positions to `out`.

    `bilinear` does what cv2.INTER_LINEAR and torch's align_corners=False do, `bilinear-aligned` what
    align_corners=True does.
    """
    if resize == "bilinear-aligned":
        centre = _aligned_centres(length, out)
    else:
        centre = (np.arange(out, dtype=np.float64) + 0.5) * (length / out) - 0.5
    return taps_at(centre, length)


def taps_at(centre: NDArray[np.float64], length: int) -> Taps:
    """The taps of output positions that lie at `centre` among `length` input positions, 0 being the first one's own."""
    centre = np.clip(centre, 0.0, length - 1.0)
    first = np.floor(centre).astype(np.int32)
    second = np.minimum(first + 1, length - 1).astype(np.int32)
    return Taps(first, second, (centre - first).astype(np.float32))


def _aligned_centres(length: int, out: int) -> NDArray[np.float64]:
    """Where `out` positions lie among `length` when the first and the last of both fall together."""
    return np.arange(out, dtype=np.float64) * np.float64((length - 1) / max(out - 1, 1))


def resize_rows(values: Tensor, size: Size, start: int, stop: int, resize: Resize = "bilinear") -> Tensor:
    """Rows `start` to `stop` of [..., h, w] brought to `size`: [..., stop - start, W].

    Each output row depends on its position alone, so bands put together are bit for bit the whole.
    """
    height, width = values.shape[-2:]
    if (height, width) == size:
        return values[..., start:stop, :]
    return sample(values, linear_taps(height, size[0], resize).part(start, stop), linear_taps(width, size[1], resize))


def sample(values: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """[..., h, w] read at these rows and columns."""
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
    """A score map [h, w] brought to `size`; `bilinear` by cv2.INTER_LINEAR, which has no aligned twin."""
    if score.shape == size:
        return score
    if resize == "bilinear-aligned":
        import torch

        return np.asarray(resize_rows(torch.from_numpy(score), size, 0, size[0], resize).numpy())
    return np.asarray(cv2.resize(score, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def resize_labels(labels: NDArray[np.uint8], size: Size, resize: Resize = "bilinear") -> NDArray[np.uint8]:
    """Indices [h, w] brought to `size`: each output pixel takes the input pixel at its centre."""
    if labels.shape == size:
        return labels
    rows, columns = (nearest_labels(old, new, resize) for old, new in zip(labels.shape, size, strict=True))
    return labels[rows[:, None], columns[None, :]]


def nearest_labels(length: int, out: int, resize: Resize = "bilinear") -> NDArray[np.intp]:
    """For each of `out` positions, the nearest of `length`, by centres."""
    if resize == "bilinear-aligned":
        return (_aligned_centres(length, out) + 0.5).astype(np.intp)
    return ((np.arange(out) + 0.5) * (length / out)).astype(np.intp)
