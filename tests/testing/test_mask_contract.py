"""Contracts of mask classifiers and of methods on masks: valid and invalid implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from oodbench.contracts import Capabilities, Expected, Needs, Segmenter
from oodbench.testing import AdapterContract, MethodContract
from oodbench.types import CITYSCAPES_19, MaskOutput, RGBImage, SegmenterOutput, Window, Windows

GOOD = MaskOutput(torch.zeros(2, 5, 20), torch.zeros(2, 5, 4, 8), torch.zeros(2, 5, 3))


class TestUnclaimed(MethodContract):
    plugin = Path(__file__).parents[1] / "helpers" / "mask_method.py"
    name = "unclaimed"


class Masks(Segmenter):
    """A segmenter with equal masks for any two images."""

    name = digest = "masks"
    classes, expected, device = CITYSCAPES_19, Expected(), "cpu"
    capabilities = Capabilities(None, masks=True)

    def __init__(self, masks: MaskOutput | None, windows: bool = False, whole: bool = False) -> None:
        self._masks, self._windows, self._whole = masks, windows, whole

    def prepare(self, image: RGBImage) -> np.ndarray:
        return image

    def forward(self, batch: Sequence[np.ndarray], needs: Needs) -> SegmenterOutput:
        output = SegmenterOutput(None, masks=self._masks)
        if not self._windows:
            return output.select(needs)
        windows = Windows((4, 8), (Window(0, 0, 4, 8, output),))
        return SegmenterOutput(None, windows=windows, masks=self._masks if self._whole else None).select(needs)

    def describe(self) -> Mapping[str, Any]:
        return {}


class Contract(AdapterContract):
    name = "masks"

    def __init__(self, network: Segmenter) -> None:
        self._network = network

    def network(self, folder: Path) -> Segmenter:
        return self._network


@pytest.mark.parametrize("windows", [False, True])
def test_valid_masks_pass(windows: bool) -> None:
    Contract(Masks(GOOD, windows)).test_outputs_match_the_capabilities(Path())
    without = MaskOutput(GOOD.class_logits, GOOD.mask_logits)
    Contract(Masks(without, windows)).test_outputs_match_the_capabilities(Path())


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (None, "no masks, and its capabilities say that there are"),
        (MaskOutput(torch.zeros(2, 5, 19), GOOD.mask_logits), r"have the shape \(2, 5, 19\); expected \(2, 5, 20\)"),
        (MaskOutput(torch.zeros(2, 4, 20), GOOD.mask_logits), r"have the shape \(2, 4, 20\); expected \(2, 5, 20\)"),
        (MaskOutput(GOOD.class_logits.double(), GOOD.mask_logits), "class logits are torch.float64; expected float32"),
        (MaskOutput(GOOD.class_logits, GOOD.mask_logits.double()), "mask logits are torch.float64; expected float32"),
        (MaskOutput(GOOD.class_logits, GOOD.mask_logits.log()), "mask logits are NaN or infinite"),
        (MaskOutput(GOOD.class_logits.log(), GOOD.mask_logits), "class logits are NaN or infinite"),
        (MaskOutput(GOOD.class_logits, GOOD.mask_logits[:1]), r"expected \(2, 5, 20\)|of 1 images; expected 2"),
        (MaskOutput(GOOD.class_logits, GOOD.mask_logits, torch.zeros(2, 3, 5)), r"\(2, 3, 5\); expected \(2, 5, D\)"),
    ],
)
@pytest.mark.parametrize("windows", [False, True])
def test_invalid_masks_fail(masks: MaskOutput | None, said: str, windows: bool) -> None:
    with pytest.raises(AssertionError, match=said):
        Contract(Masks(masks, windows)).test_outputs_match_the_capabilities(Path())


def test_masks_merged_over_windows_fail() -> None:
    with pytest.raises(AssertionError, match="masks of windows are in the windows, and the whole has none"):
        Contract(Masks(GOOD, windows=True, whole=True)).test_outputs_match_the_capabilities(Path())
