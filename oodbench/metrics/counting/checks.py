"""Checks of score maps before they are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oodbench.errors import ScoreError
from oodbench.types import AnomalyLabels, ScoreMap


def flatten_scores(score: ScoreMap, labels: AnomalyLabels) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Return the bits of the scores and the labels as flat arrays, after checking that they match.

    Raises:
        ScoreError: The shapes differ, or the scores are not float32.
    """
    values = labels.values
    if score.shape != values.shape:
        raise ScoreError(
            f"the score map is {score.shape} and its labels are {values.shape}; expected the same",
            "Resize the score map to the size of the labels first.",
        )
    if score.dtype != np.float32:
        raise ScoreError(
            f"the score map is {score.dtype}; expected float32",
            "Convert it first, as with score.astype(numpy.float32).",
        )
    return np.ascontiguousarray(score).view(np.uint32).ravel(), np.ascontiguousarray(values).ravel()


def check_shape(name: str, values: NDArray[Any], score: ScoreMap) -> None:
    """Raise if a map, which is called `name`, has another shape than the scores.

    Raises:
        ScoreError: The shapes differ.
    """
    if values.shape != score.shape:
        raise ScoreError(
            f"the {name} is {values.shape} and the score map is {score.shape}; expected the same",
            "Resize both to the size of the labels first.",
        )


def check_nan(broken: int, valid: int) -> None:
    """Raise if valid pixels score NaN.

    Raises:
        ScoreError: At least one valid pixel scores NaN.
    """
    if broken:
        raise ScoreError(
            f"{broken} of {valid} valid pixels score NaN; expected a number for each",
            "Fix the method that computes the scores, and score the frame again.",
        )
