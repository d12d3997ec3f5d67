"""Class-balanced sampling for MMSegmentation's own `tools/train.py`: its datasets, our order of frames."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from numpy.typing import NDArray
from torch.utils.data import Sampler

from oodbench.errors import DataError
from oodbench.training.sampling import Balanced, frames_by_class


def _read(path: Path) -> NDArray[np.uint8]:
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise DataError(f"{path}: not an 8-bit label image", "Check that the data set is whole.")
    return np.asarray(values, np.uint8)


class BalancedSampler(Sampler[int]):
    """Endless; of several ranks each takes its share of one order.

    Args:
        dataset: of MMSegmentation, its labels as they are trained on.
        seed: of the order; None: one that all ranks share.
        least_pixels: that a frame must have of a class to stand for it.

    Raises:
        DataError: a label image can't be read, or no frame has a label.
    """

    def __init__(self, dataset: Any, seed: int | None = None, least_pixels: int = 1) -> None:
        self.rank, self.ranks = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.size = len(dataset)
        paths = [Path(dataset.get_data_info(index)["seg_map_path"]) for index in range(self.size)]
        self.frames = frames_by_class([partial(_read, path) for path in paths], least_pixels)
        if not self.frames:
            raise DataError(f"{paths[0].parent}: no label in {self.size} frames", "Check that the labels are not void.")

    def __iter__(self) -> Iterator[int]:
        order = Balanced(self.frames, self.seed)
        return (order(draw)[0] for draw in islice(count(), self.rank, None, self.ranks))

    def __len__(self) -> int:
        return self.size


DATA_SAMPLERS.register_module(name="OodbenchBalancedSampler", module=BalancedSampler)
