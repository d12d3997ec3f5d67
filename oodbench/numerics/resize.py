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
    """The input positions and weights for linear interpolation along one axis, for n output positions.

    Each output position is a weighted mean of two neighbouring input positions, called taps.

    Attributes:
        first: int32 [n], the first input position.
        second: int32 [n], the second input position; equal to `first` at the end of the axis.
        weight: float32 [n], the weight of the second position, in [0, 1]. The first has the weight 1 - `weight`.

    Examples:
        >>> from oodbench.numerics import linear_taps
        >>> taps = linear_taps(2, 4)
        >>> taps.first.tolist(), taps.second.tolist(), taps.weight.tolist()
        ([0, 0, 0, 1], [1, 1, 1, 1], [0.0, 0.25, 0.75, 0.0])
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    weight: NDArray[np.float32]

    def part(self, start: int, stop: int) -> Taps:
        """Return the input positions and weights of a range of output positions.

        Args:
            start: First output position.
            stop: Index of the position after the last one.
        """
        return Taps(self.first[start:stop], self.second[start:stop], self.weight[start:stop])


def linear_taps(length: int, out: int, resize: Resize = "bilinear") -> Taps:
    """Compute the input positions and weights (`Taps`) that resize an axis by linear interpolation.

    Args:
        length: Number of input positions.
        out: Number of output positions.
        resize: `bilinear` equals cv2.INTER_LINEAR and torch's `align_corners=False`; `bilinear-aligned` equals
            `align_corners=True`.

    Returns:
        The taps of the `out` output positions, in their order.

    Examples:
        >>> from oodbench.numerics import linear_taps
        >>> linear_taps(3, 5, "bilinear-aligned").weight.tolist()
        [0.0, 0.5, 0.0, 0.5, 0.0]
    """
    if resize == "bilinear-aligned":
        centre = _compute_aligned_centres(length, out)
    else:
        centre = (np.arange(out, dtype=np.float64) + 0.5) * (length / out) - 0.5
    return taps_at(centre, length)


def taps_at(centre: NDArray[np.float64], length: int) -> Taps:
    """Compute the input positions and weights (`Taps`) for linear interpolation at given coordinates.

    Args:
        centre: float64 [n], coordinates on the input axis; 0 is the first input position. Coordinates outside the axis
            are moved to the nearest end.
        length: Number of input positions.

    Returns:
        The taps of the n output positions.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import taps_at
        >>> taps = taps_at(np.array([-1.0, 0.5, 9.0]), length=3)
        >>> taps.first.tolist(), taps.weight.tolist()
        ([0, 0, 2], [0.0, 0.5, 0.0])
    """
    centre = np.clip(centre, 0.0, length - 1.0)
    first = np.floor(centre).astype(np.int32)
    second = np.minimum(first + 1, length - 1).astype(np.int32)
    return Taps(first, second, (centre - first).astype(np.float32))


def _compute_aligned_centres(length: int, out: int) -> NDArray[np.float64]:
    """Compute the coordinates of `out` positions among `length` if the first and the last of both coincide."""
    return np.arange(out, dtype=np.float64) * np.float64((length - 1) / max(out - 1, 1))


def resize_rows(values: Tensor, size: Size, start: int, stop: int, resize: Resize = "bilinear") -> Tensor:
    """Resize maps bilinearly and return some rows of the result.

    If the results of several calls are concatenated, they equal the whole resized map bit for bit.

    Args:
        values: float32 [..., h, w].
        size: (H, W) to which the maps are resized.
        start: First row to return, from 0 to H - 1.
        stop: Index of the row after the last row to return.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.

    Returns:
        float32 [..., stop - start, W].

    Examples:
        >>> import torch
        >>> from oodbench.numerics import resize_rows
        >>> maps = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> resize_rows(maps, (4, 2), start=1, stop=3)
        tensor([[0.5000, 1.5000],
                [1.5000, 2.5000]])
    """
    height, width = values.shape[-2:]
    if (height, width) == size:
        return values[..., start:stop, :]
    return sample_bilinear(
        values, linear_taps(height, size[0], resize).part(start, stop), linear_taps(width, size[1], resize)
    )


def sample_bilinear(values: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Interpolate maps bilinearly at given rows and columns.

    Args:
        values: float32 [..., h, w].
        rows: The input positions and weights of R rows, as `taps_at` returns them.
        columns: The input positions and weights of K columns.

    Returns:
        float32 [..., R, K].

    Examples:
        >>> import numpy as np
        >>> import torch
        >>> from oodbench.numerics import sample_bilinear, taps_at
        >>> maps = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> middle = taps_at(np.array([0.5]), length=2)
        >>> sample_bilinear(maps, rows=middle, columns=middle)
        tensor([[1.5000]])
    """
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
    """Resize a score map bilinearly, without antialiasing.

    Args:
        score: float32 [h, w].
        size: (H, W) to which the map is resized.
        resize: Interpolation. `bilinear`: half-pixel centres, computed by OpenCV (`cv2.INTER_LINEAR`).
            `bilinear-aligned`: aligned corners, computed by `resize_rows`.

    Returns:
        float32 [H, W]; the same array if it has this size already.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import resize_score
        >>> resize_score(np.float32([[0.0, 1.0]]), (1, 4)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    if score.shape == size:
        return score
    if resize == "bilinear-aligned":
        import torch

        return np.asarray(resize_rows(torch.from_numpy(score), size, 0, size[0], resize).numpy())
    return np.asarray(cv2.resize(score, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def resize_labels(labels: NDArray[np.uint8], size: Size, resize: Resize = "bilinear") -> NDArray[np.uint8]:
    """Resize a map of indices: each output pixel takes the value of the nearest input pixel.

    Args:
        labels: uint8 [h, w].
        size: (H, W) to which the map is resized.
        resize: Positions of the pixel centres: half-pixel centres (`bilinear`), or aligned corners
            (`bilinear-aligned`). Nothing is interpolated.

    Returns:
        uint8 [H, W]; the same array if it has this size already.

    Examples:
        >>> import numpy as np
        >>> from oodbench.numerics import resize_labels
        >>> resize_labels(np.array([[0, 7]], np.uint8), (1, 4)).tolist()
        [[0, 0, 7, 7]]
    """
    if labels.shape == size:
        return labels
    rows, columns = (nearest_labels(old, new, resize) for old, new in zip(labels.shape, size, strict=True))
    return labels[rows[:, None], columns[None, :]]


def nearest_labels(length: int, out: int, resize: Resize = "bilinear") -> NDArray[np.intp]:
    """Compute the nearest input position of each output position along one axis.

    Args:
        length: Number of input positions.
        out: Number of output positions.
        resize: Positions of the pixel centres: half-pixel centres (`bilinear`), or aligned corners
            (`bilinear-aligned`).

    Returns:
        intp [out], indices of input positions.

    Examples:
        >>> from oodbench.numerics import nearest_labels
        >>> nearest_labels(2, 4).tolist(), nearest_labels(4, 2).tolist()
        ([0, 0, 1, 1], [1, 3])
    """
    if resize == "bilinear-aligned":
        return (_compute_aligned_centres(length, out) + 0.5).astype(np.intp)
    return ((np.arange(out) + 0.5) * (length / out)).astype(np.intp)
