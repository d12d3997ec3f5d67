"""Crops in which a class stands that was drawn: where nearly every frame has nearly every class, to draw frames by
their classes balances nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS

# As often RandomCrop looks for a crop that isn't of one class.
_TRIES = 10


class CropAround(RandomCrop):
    """RandomCrop, around a pixel of `wanted_class` where the results have that and the frame still has the class."""

    def crop_bbox(self, results: Mapping[str, Any]) -> tuple[int, int, int, int]:
        """(top, bottom, left, right); the pixel lies anywhere in it."""
        labels = results["gt_seg_map"]
        rows, columns = np.nonzero(labels == results.get("wanted_class", self.ignore_index))
        box: tuple[int, int, int, int]
        if not rows.size or "wanted_class" not in results:
            box = super().crop_bbox(results)
            return box
        for _ in range(_TRIES):
            pixel = np.random.randint(rows.size)
            top, left = (
                int(np.clip(at - np.random.randint(side), 0, max(whole - side, 0)))
                for at, side, whole in zip((rows[pixel], columns[pixel]), self.crop_size, labels.shape, strict=True)
            )
            box = (top, top + self.crop_size[0], left, left + self.crop_size[1])
            counts = np.bincount(self.crop(labels, box).ravel(), minlength=256)
            counts[self.ignore_index] = 0
            if counts.max() < self.cat_max_ratio * counts.sum():
                break
        return box


TRANSFORMS.register_module(name="OodbenchCropAround", module=CropAround)
