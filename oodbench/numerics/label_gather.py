"""Class maps at labelled pixels only, as a loss at the labels' resolution needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oodbench.numerics.resize import linear_taps
from oodbench.types import VOID

if TYPE_CHECKING:
    from torch import Tensor


def gather_labelled_pixels(maps: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate class maps (one map per class) bilinearly at the pixels that have a label.

    The values equal those of torch's `interpolate` with `align_corners=False`, but no tensor of resized maps is
    allocated. Gradients flow back into `maps`.

    Args:
        maps: float32 [N, C, h, w].
        labels: int64 [N, H, W], class indices; VOID (255) if a pixel has no label.

    Returns:
        float32 [n, C] and int64 [n], the values of the class maps and the labels at the n labelled pixels, in the order
        of the pixels in `labels`.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import gather_labelled_pixels
        >>> labels = torch.full((1, 8, 12), 255)
        >>> labels[0, 3, 5] = 7
        >>> values, classes = gather_labelled_pixels(torch.zeros(1, 19, 4, 6), labels)
        >>> list(values.shape), classes.tolist()
        ([1, 19], [7])
    """
    import torch

    count, _, height, width = maps.shape
    frame, row, column = torch.nonzero(labels != VOID, as_tuple=True)
    rows, columns = linear_taps(height, labels.shape[1]), linear_taps(width, labels.shape[2])

    def at(array: object, index: Tensor) -> Tensor:
        return torch.as_tensor(array, device=labels.device)[index]

    flat = maps.permute(0, 2, 3, 1).reshape(count * height * width, -1)  # [N * h * w, C]
    total: Tensor | None = None
    low, right = at(rows.weight, row), at(columns.weight, column)
    for taken_row, row_weight in ((rows.first, 1 - low), (rows.second, low)):
        for taken_column, column_weight in ((columns.first, 1 - right), (columns.second, right)):
            where = (frame * height + at(taken_row, row)) * width + at(taken_column, column)
            part = flat.index_select(0, where) * (row_weight * column_weight)[:, None]  # [n, C]
            total = part if total is None else total + part
    assert total is not None, "four corners were added"
    return total, labels[frame, row, column]
