"""Standardized max logits (SML): the maximum logit, standardised per predicted class, with boundary pixels corrected.

    S(x) = (L(x) - mu_c) / sigma_c,   L(x) = max_k l_k(x),   c = argmax_k l_k(x)
    s = -G * B(S)

mu_c and sigma_c are the mean and the standard deviation of L over the in-distribution pixels that are predicted as c. B
is iterative boundary suppression, G a dilated Gaussian. Both average scores with weights that do not depend on the
scores, so the implementation changes the sign first.

Jung, Lee, Gwak, Choi, Choo, "Standardized Max Logits: A Simple yet Effective Approach for Identifying Unexpected Road
Obstacles in Urban-Scene Segmentation", ICCV 2021. Boundary, radii and padding are those of its code
(shjung13/Standardized-max-logits, network/deepv3.py); tests/golden contains outputs of that code.

Statistics are computed over all pixels of the whole fit set, including void pixels, as in the paper's code. Not
reproduced: that code uses the first 50 batches of augmented crops, while the paper names the training set.

The paper's code resizes logits to the label's resolution with aligned corners: `--resize bilinear-aligned`. The fit
does not know how frames are scored, and always resizes with half-pixel centres. On five frames of Cityscapes, for
classes with at least 10 000 pixels, this changes mu by at most 0.01 and sigma by 0.5 %.

With `--upsample score`, boundaries and Gaussian have the intended width in pixels of the network's grid instead of the
label's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from oodbench.contracts import ClassMapBand, Fit, MergeableFit, MethodCard, Needs, Parameters, PixelMethod
from oodbench.errors import DataError
from oodbench.numerics import ClassMoments, summarise
from oodbench.types import ClassMap, ClassSet, LogitSummary, ScoreMap, SegmenterOutput, SemanticLabels

if TYPE_CHECKING:
    from torch import Tensor

PLUGINS = {"methods": {"sml": ("SML", "max logit standardised per class, boundaries suppressed, smoothed")}}

# The boundary is dilated by 3, 2, 1 and 0 pixels in turn: boundary_width 4 and boundary_iteration 4 of the paper's
# code. With the boundary's two pixels, these are the total widths of 8, 6, 4 and 2 in the paper.
_ITERATIONS = 4
# smoothing_kernel_size 7, sigma 1 (in steps of the kernel) and smoothing_kernel_dilation 6 of the same code.
_TAPS = 7
_SIGMA = 1.0
_DILATION = 6

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
_SQUARE = np.ones((3, 3), np.uint8)

# A class counts as constant if its variance is below this share of the variance over all classes.
_CONSTANT = 1e-6
# float32 stores logits of about ten with an error of 1e-6: a variance below its square is a rounding error.
_ROUNDING = 1e-12


def standardise_max_logit(summary: LogitSummary, mean: Tensor, deviation: Tensor) -> Tensor:
    """Compute the negative standardised max logit -S.

    Args:
        summary: Summary of the logits, float32 [h, w] per field.
        mean: float32 [C], mean of the max logit per predicted class.
        deviation: float32 [C], its standard deviation.

    Returns:
        float32 [h, w], higher = more anomalous.
    """
    index = summary.prediction.long()
    return (mean[index] - summary.best) / deviation[index]


def find_class_boundaries(prediction: ClassMap) -> NDArray[np.uint8]:
    """Find the pixels at which classes meet, uint8 [H, W] of 0 and 1.

    A pixel is at a boundary if the largest index of it and its four neighbours differs from the smallest index of it
    and its eight neighbours. The map's edge is not a boundary.
    """
    largest, smallest = cv2.dilate(prediction, _CROSS), cv2.erode(prediction, _SQUARE)
    return np.not_equal(largest, smallest).astype(np.uint8)


def suppress_boundaries(score: ScoreMap, boundary: NDArray[np.uint8]) -> ScoreMap:
    """Replace scores at boundaries by those of neighbouring pixels, from the outside in.

    The boundary is dilated by 3 pixels in city-block distance. Each pixel in it takes the mean of its eight neighbours
    outside it, with the map's edge replicated, or stays unchanged if there are none. This is repeated with 2, 1 and 0
    pixels.

    Args:
        score: float32 [H, W].
        boundary: uint8 [H, W] of 0 and 1.

    Returns:
        float32 [H, W].
    """
    dilated = [boundary]
    for _ in range(_ITERATIONS - 1):
        dilated.append(np.asarray(cv2.dilate(dilated[-1], _CROSS), np.uint8))
    score = score.copy()
    for inside in reversed(dilated):
        outside = 1 - inside
        total, count = _sum_3x3(cv2.copyTo(score, outside)), _sum_3x3(outside)
        mean = cv2.divide(total, count, dtype=cv2.CV_32F)
        cv2.copyTo(mean, cv2.min(inside, count), score)  # where neither is zero
    return score


def _sum_3x3(values: cv2.typing.MatLike) -> cv2.typing.MatLike:
    return cv2.boxFilter(values, -1, (3, 3), normalize=False, borderType=cv2.BORDER_REPLICATE)


def smooth(score: ScoreMap) -> ScoreMap:
    """Apply the dilated Gaussian with replicated edges, float32 [H, W] -> float32 [H, W]."""
    steps = np.arange(_TAPS) - _TAPS // 2
    weights = np.exp(-np.square(steps / _SIGMA) / 2)
    # A two-dimensional Gaussian is separable, and dilation inserts zeros between its taps.
    kernel = np.zeros((_TAPS - 1) * _DILATION + 1)
    kernel[::_DILATION] = weights / weights.sum()
    return np.asarray(cv2.sepFilter2D(score, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


class SML(MergeableFit[ClassMoments], PixelMethod):
    """Standardised max logit. The fitted state is the mean and the variance of the max logit per predicted class."""

    class Params(Parameters):
        """Parameters of SML."""

        suppression: bool = Field(
            True, description="replace scores at class boundaries by those of neighbouring pixels"
        )
        smoothing: bool = Field(True, description="smooth the score with the dilated Gaussian")
        minimum: int = Field(
            50, ge=1, description="a class predicted on fewer pixels uses the statistics of all classes"
        )

    card = MethodCard(
        name="sml",
        title="SML",
        paper="Jung, Lee, Gwak, Choi, Choo: Standardized Max Logits. ICCV 2021",
        url="https://arxiv.org/abs/2107.11264",
        published="Fishyscapes; Jung et al., ICCV 2021, tables 1 and 2",
        standard=True,
    )
    params: Params

    @override
    def needs(self) -> Needs:
        return Needs(logits=True, fit=True)

    @override
    def begin_fit(self, classes: ClassSet, seed: int) -> None:
        self._classes = classes
        self._moments = ClassMoments(len(classes))

    @override
    def frame_states(
        self, output: SegmenterOutput, labels: Sequence[SemanticLabels], frames: Sequence[str]
    ) -> Sequence[ClassMoments]:
        assert output.class_maps is not None, "needs() asks for logits"
        states = []
        for maps, label, frame in zip(output.class_maps.values, labels, frames, strict=True):
            summary = summarise(maps, label.values.shape, kind=output.class_maps.kind)
            if not summary.best.isfinite().all():
                raise DataError(
                    f"sml: {frame}, a frame to fit on, has logits that are NaN or infinite",
                    "Check the preprocessing in the model card and the network's weights.",
                )
            states.append(self._moments.of_frame(summary.best.cpu().numpy(), summary.prediction.cpu().numpy()))
        return states

    @override
    def merge(self, state: ClassMoments) -> None:
        self._moments.merge(state)

    @override
    def fitted(self) -> Fit:
        moments, names = self._moments, self._classes.names
        pooled_mean, pooled_variance = moments.pooled()
        if not moments.count.any():
            raise DataError("sml: there are no frames to fit on", "Give in-distribution frames with --id-data.")
        enough = moments.count >= self.params.minimum
        constant_classes = enough & (moments.variance <= _CONSTANT * pooled_variance)
        mean = np.where(enough, moments.mean, pooled_mean)
        variance = np.where(enough & ~constant_classes, moments.variance, pooled_variance)
        variance = np.where(variance > _ROUNDING, variance, 1.0)
        facts = {
            "pixels_predicted": {name: int(count) for name, count in zip(names, moments.count, strict=True)},
            "pooled_classes": [name for name, sufficient in zip(names, enough, strict=True) if not sufficient],
            "still_classes": [name for name, constant in zip(names, constant_classes, strict=True) if constant],
        }
        return Fit({"mean": torch.from_numpy(mean), "variance": torch.from_numpy(variance)}, facts)

    @override
    def load(self, fit: Fit) -> None:
        self._mean = fit.tensors["mean"].float()
        self._deviation = fit.tensors["variance"].sqrt().float()

    @override
    def pixel_score(self, band: ClassMapBand) -> Tensor:
        summary = band.summary
        device = summary.best.device
        return standardise_max_logit(summary, self._mean.to(device), self._deviation.to(device))

    @override
    def postprocess(self, score: ScoreMap, prediction: ClassMap) -> ScoreMap:
        if self.params.suppression:
            score = suppress_boundaries(score, find_class_boundaries(prediction))
        return smooth(score) if self.params.smoothing else score
