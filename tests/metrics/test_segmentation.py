"""mIoU by hand."""

from __future__ import annotations

import numpy as np
import pytest

from oodbench.metrics import ConfusionMatrix
from oodbench.types import CITYSCAPES_19, SemanticLabels


def test_miou_of_a_case_by_hand() -> None:
    confusion = ConfusionMatrix(19)
    labels = SemanticLabels(np.array([[0, 0, 1, 255]], np.uint8), CITYSCAPES_19)
    confusion.update(np.array([[0, 1, 1, 5]], np.uint8), labels)
    # Class 0: 1 of 2; class 1: 1 of 2; the void pixel does not count, and absent classes neither.
    assert confusion.miou() == pytest.approx(0.5)
    assert np.isnan(ConfusionMatrix(19).miou())
