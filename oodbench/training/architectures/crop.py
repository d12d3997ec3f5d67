"""Random crop that contains a given class.

If nearly every frame contains nearly every class, sampling frames by class has no effect. Cropping around the sampled
class does balance the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmseg.datasets.transforms import RandomCrop
from mmseg.registry import TRANSFORMS

# Maximum number of tries to find a crop that is not dominated by one class, as in RandomCrop.
_TRIES = 10


class CropAround(RandomCrop):
    """RandomCrop around a random pixel of `wanted_class`.

    It acts as a plain RandomCrop if the results have no `wanted_class` or the resized frame has no pixel of it.
    """

    def crop_bbox(self, results: Mapping[str, Any]) -> tuple[int, int, int, int]:
        """Return (top, bottom, left, right). The pixel may be anywhere in the crop."""
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
