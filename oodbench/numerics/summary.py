"""One pass over the class maps that computes the few numbers several scores need.

MSP computed as 1 - max p loses precision where the network is confident: in float32, all pixels with max p above 1 -
6e-8 become equal. Expressed by the sum over the *other* classes, the same score keeps full relative precision:

    1 - max p = others / (1 + others)
    log sum exp = best + log1p(others)
    entropy     = log1p(others) + shortfall / (1 + others)

For class maps that are not logits, the logits are their logarithms; exp(l - b) is then the ratio of a class's value to
the largest one.

On a CPU, the pass is compiled and fused with the bilinear resize, so that no tensor of C maps at the label's resolution
is allocated. On other devices, torch does the same arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled
from oodbench.numerics.resize import linear_taps, resize_rows
from oodbench.threads import share_torch_threads
from oodbench.types import MIN_PROBABILITY, LogitSummary, MapKind, Resize, Size

if TYPE_CHECKING:
    from torch import Tensor


def summarise(
    maps: Tensor,
    size: Size | None = None,
    start: int = 0,
    stop: int | None = None,
    resize: Resize = "bilinear",
    kind: MapKind = "logits",
) -> LogitSummary:
    """Compute the largest logit, the predicted class and two sums of each pixel, from which common scores follow.

    The class maps (one map per class) of one frame are resized. On a CPU, no tensor of the resized maps is allocated.

    Args:
        maps: float32 [C, h, w], the class maps. If they are not logits, they are resized, and then their logarithms are
            used as logits.
        size: (height, width) to which the maps are resized; None: they keep their size.
        start: First row of the resized maps to process.
        stop: Index of the row after the last row to process; None: the height.
        resize: Interpolation: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners.
        kind: Kind of the class maps: `logits`, `posteriors` or `sums` (unnormalised class scores).

    Returns:
        The values of each pixel, [stop - start, width] each; `LogitSummary` has the formulas.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import summarise
        >>> logits = torch.tensor([2.0, 0.0, 0.0]).reshape(3, 1, 1)
        >>> summary = summarise(logits)
        >>> msp = summary.others / (1 + summary.others)  # one minus the largest posterior
        >>> round(msp.item(), 4), round((1 - logits.softmax(dim=0).amax()).item(), 4)
        (0.213, 0.213)
    """
    size = size or (maps.shape[-2], maps.shape[-1])
    stop = size[0] if stop is None else stop
    if maps.device.type != "cpu":
        resized = resize_rows(maps, size, start, stop, resize)
        return _summarise_torch(resized) if kind == "logits" else _summarise_probabilities(resized)
    return _summarise_compiled(maps, size, start, stop, resize, kind)


def _summarise_torch(logits: Tensor) -> LogitSummary:
    import torch

    best, prediction = logits.max(dim=0)  # [h, w]
    below = logits - best  # [C, h, w], <= 0
    weight = below.exp().scatter_(0, prediction[None], 0.0)
    others = weight.sum(dim=0)
    # 0 x inf, for a logit of minus infinity, counts as 0: such a class has no weight.
    shortfall = -torch.nan_to_num(below * weight, nan=0.0).sum(dim=0)
    return LogitSummary(best, others, shortfall, prediction.to(torch.uint8))


def _summarise_probabilities(maps: Tensor) -> LogitSummary:
    import torch

    best, prediction = maps.clamp_min(MIN_PROBABILITY).max(dim=0)  # [h, w]
    weight = (maps.clamp_min(MIN_PROBABILITY) / best).scatter_(0, prediction[None], 0.0)  # [C, h, w], in 0..1
    shortfall = -torch.xlogy(weight, weight).sum(dim=0)
    return LogitSummary(best.log(), weight.sum(dim=0), shortfall, prediction.to(torch.uint8))


def _summarise_compiled(maps: Tensor, size: Size, start: int, stop: int, resize: Resize, kind: MapKind) -> LogitSummary:
    import torch

    values = np.ascontiguousarray(maps.detach().numpy(), dtype=np.float32)
    shape = (stop - start, size[1])
    best = np.empty(shape, np.float32)
    others = np.empty(shape, np.float32)
    shortfall = np.empty(shape, np.float32)
    prediction = np.empty(shape, np.uint8)
    rows = linear_taps(values.shape[1], size[0], resize).part(start, stop)
    columns = linear_taps(values.shape[2], size[1], resize)
    with share_torch_threads():
        _summarise_rows(
            values, rows.first, rows.second, rows.weight, columns.first, columns.second, columns.weight,
            (values.shape[1], values.shape[2]) == size, kind == "logits", best, others, shortfall, prediction,
        )  # fmt: skip
    return LogitSummary(*(torch.from_numpy(array) for array in (best, others, shortfall, prediction)))


# exp(x) for x <= 0 is computed as 2^n exp(r), |r| <= ln 2 / 2, with the degree-6 Taylor polynomial of exp(r) in
# Horner's form. Its relative error is below 1.3e-7. In a compiled loop, numpy's exp is not vectorised and takes three
# times as long. ln 2 is split in two so that n ln 2 is subtracted exactly.
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_SMALLEST = np.float32(-87.0)
_ONE = np.float32(1.0)
_LEAST = np.float32(MIN_PROBABILITY)


@numba.njit(inline="always")
def _exp(x: Any) -> Any:
    # Below -87, exp leaves the normal range of float32: such a class, and one at minus infinity, has no weight.
    x = max(x, _SMALLEST)
    n = np.floor(x * _LOG2_E + np.float32(0.5))
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@compiled(parallel=True, error_model="numpy")
def _summarise_rows(
    values: NDArray[np.float32],
    upper: NDArray[np.int32],
    lower: NDArray[np.int32],
    down: NDArray[np.float32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    across: NDArray[np.float32],
    same_size: bool,
    logits: bool,
    best: NDArray[np.float32],
    others: NDArray[np.float32],
    shortfall: NDArray[np.float32],
    prediction: NDArray[np.uint8],
) -> None:
    classes, _, narrow = values.shape
    height, width = best.shape
    for y in numba.prange(height):
        line = np.empty((classes, width), np.float32)
        between = np.empty(narrow, np.float32)
        for c in range(classes):
            above, below, weight = values[c, upper[y]], values[c, lower[y]], down[y]
            if same_size:
                line[c, :] = above
            elif logits:
                for x in range(narrow):
                    between[x] = above[x] + weight * (below[x] - above[x])
                for x in range(width):
                    line[c, x] = between[left[x]] + across[x] * (between[right[x]] - between[left[x]])
            else:
                # No subtraction: next to a large value, a small one and its logarithm would lose precision.
                for x in range(narrow):
                    between[x] = (_ONE - weight) * above[x] + weight * below[x]
                for x in range(width):
                    line[c, x] = (_ONE - across[x]) * between[left[x]] + across[x] * between[right[x]]
            if not logits:
                for x in range(width):
                    line[c, x] = _LEAST if line[c, x] < _LEAST else line[c, x]  # and not max(): that may swallow a NaN
        top, arg = best[y], prediction[y]
        top[:] = line[0]
        arg[:] = 0
        for c in range(1, classes):
            for x in range(width):
                # A NaN never wins a comparison; it is passed on here so that it reaches the check of the scores.
                larger = line[c, x] > top[x] or line[c, x] != line[c, x]
                top[x] = line[c, x] if larger else top[x]
                arg[x] = np.uint8(c) if larger else arg[x]
        total, lost = others[y], shortfall[y]
        total[:] = 0.0
        lost[:] = 0.0
        if logits:
            for c in range(classes):
                for x in range(width):
                    gap = line[c, x] - top[x]
                    weight = np.float32(0.0) if arg[x] == c else _exp(gap)
                    total[x] += weight
                    lost[x] -= max(gap, _SMALLEST) * weight
        else:
            for c in range(classes):
                for x in range(width):
                    weight = np.float32(0.0) if arg[x] == c else line[c, x] / top[x]
                    total[x] += weight
                    lost[x] -= weight * np.log(weight) if weight > 0 else np.float32(0.0)
            top[:] = np.log(top)
