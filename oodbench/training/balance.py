"""Class-balanced sampling of whole frames, as GMMSeg's released code draws them, with an index built from the data.

For each draw a class is drawn uniformly, then a frame uniformly among those that have it. The index that was released
is of COCO-Stuff alone; whether it asked for a least number of pixels is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from oodbench.errors import DataError
from oodbench.types import VOID


def frames_by_class(labels: Sequence[Path], least_pixels: int = 1) -> dict[int, list[int]]:
    """Class -> the places in `labels` of the images in which it has that many pixels; of classes that are there.

    Args:
        labels: 8-bit images, the class at each pixel, or VOID.
        least_pixels: at least.

    Raises:
        DataError: an image can't be read.
    """
    with ThreadPoolExecutor() as pool:
        counted = list(pool.map(_count, labels))
    found: dict[int, list[int]] = {}
    for place, counts in enumerate(counted):
        for value in np.flatnonzero(counts >= least_pixels).tolist():
            if value != VOID:
                found.setdefault(value, []).append(place)
    return dict(sorted(found.items()))


def _count(path: Path) -> np.ndarray:
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise DataError(f"{path}: not an 8-bit label image", "Check that the data set is whole.")
    return np.bincount(values.ravel(), minlength=256)


class BalancedSampler(Sampler[int]):
    """Endless; of several ranks each takes its share of one order.

    Args:
        dataset: of MMSegmentation, its labels as they are trained on.
        seed: of the order; None: one that all ranks share.
        least_pixels: that a frame must have of a class to stand for it.
    """

    def __init__(self, dataset: Any, seed: int | None = None, least_pixels: int = 1) -> None:
        self.rank, self.ranks = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.size = len(dataset)
        paths = [Path(dataset.get_data_info(index)["seg_map_path"]) for index in range(self.size)]
        self.frames = frames_by_class(paths, least_pixels)
        if not self.frames:
            raise DataError(f"{paths[0].parent}: no label in {self.size} frames", "Check that the labels are not void.")

    def __iter__(self) -> Iterator[int]:
        return islice(self._draws(), self.rank, None, self.ranks)

    def __len__(self) -> int:
        return self.size

    def _draws(self) -> Iterator[int]:
        rng = np.random.default_rng(self.seed)
        classes = list(self.frames.values())
        while True:
            frames = classes[rng.integers(len(classes))]
            yield frames[rng.integers(len(frames))]


DATA_SAMPLERS.register_module(name="OodbenchBalancedSampler", module=BalancedSampler)
