"""Training crops of the compact network."""

from __future__ import annotations

import numpy as np
import torch

from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.training.crop_batches import CropBatches
from tests.helpers.bundled_recipe import PLUGIN, make_bundled_recipe


def test_crops_depend_only_on_seed_and_step() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]
    data = make_bundled_recipe().data
    first, second = (CropBatches(found, data, 3, 20)[7] for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert first[0].shape == (2, 3, 32, 48)
    assert first[1].shape == (2, 32, 48)
    assert not torch.equal(first[0], CropBatches(found, data, 4, 20)[7][0])


def test_balanced_crops_contain_rare_classes_more_often() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]

    def rare(balanced: float) -> float:
        crops = CropBatches(found, make_bundled_recipe().data.model_copy(update={"balanced": balanced}), 0, 150)
        return float(np.mean([(label == 5).any() for step in range(150) for label in crops[step][1]]))

    assert rare(1.0) > rare(0.0) + 0.03


def test_labels_are_thinned_to_the_recipe_s_number_with_more_of_rare_classes() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]

    def kept(evenness: float) -> tuple[float, float]:
        data = make_bundled_recipe().data.model_copy(update={"evenness": evenness, "balanced": 0.0})
        whole = data.model_copy(update={"labels": 10**9})
        both = [
            np.stack([CropBatches(found, choice, 0, 40)[step][1] for step in range(40)]) for choice in (whole, data)
        ]
        counts = [np.bincount(labels.ravel(), minlength=256)[:6] for labels in both]
        return float(counts[1].sum() / 40), float(counts[1][5] / counts[0][5])

    (few, share), (_, more) = kept(0.0), kept(1.0)
    assert 900 < few < 1100
    assert share < 0.5 < more
