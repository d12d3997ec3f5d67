"""Connected regions compared with scipy, and the orders that callers rely on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from oodbench.regions import label_regions, number_regions

MASKS = [
    np.random.default_rng(seed).random(shape) < share
    for seed, (shape, share) in enumerate(
        (shape, share) for shape in ((1, 1), (1, 70), (31, 2), (64, 97)) for share in (0.0, 0.1, 0.35, 0.7, 1.0)
    )
]


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: f"{mask.shape[0]}x{mask.shape[1]}-{mask.sum()}")
def test_regions_equal_scipy_numbered_by_their_first_pixel(mask: np.ndarray) -> None:
    expected, _ = ndimage.label(mask, np.ones((3, 3)))
    assert number_regions(mask).dtype == np.int32
    assert (number_regions(mask) == expected).all()
    assert (number_regions(np.asfortranarray(mask)) == expected).all()


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: f"{mask.shape[0]}x{mask.shape[1]}-{mask.sum()}")
def test_measured_regions_equal_the_regions_with_their_boxes(mask: np.ndarray) -> None:
    numbers, regions = number_regions(mask), label_regions(mask)
    assert regions.labels.dtype == regions.boxes.dtype == np.int32
    pairs = np.unique(np.stack([numbers.ravel(), regions.labels.ravel()]), axis=1)
    assert (np.unique(pairs[0]).size, np.unique(pairs[1]).size) == (pairs.shape[1], pairs.shape[1])
    assert len(regions.boxes) == numbers.max() + 1
    for number, (left, top, width, height, pixels) in enumerate(regions.boxes[1:], 1):
        inside = regions.labels == number
        rows, columns = np.nonzero(inside)
        assert (top, left, top + height - 1, left + width - 1) == (
            rows.min(), columns.min(), rows.max(), columns.max(),
        )  # fmt: skip
        assert pixels == regions.pixels[number] == inside.sum()


def test_measured_regions_are_numbered_by_blocks() -> None:
    """Synthetic benchmarks process objects in this order."""
    mask = np.zeros((4, 8), bool)
    mask[1, 0] = mask[0, 6] = True
    assert (number_regions(mask)[1, 0], number_regions(mask)[0, 6]) == (2, 1)
    assert (label_regions(mask).labels[1, 0], label_regions(mask).labels[0, 6]) == (1, 2)
