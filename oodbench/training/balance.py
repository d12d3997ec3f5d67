"""Class-balanced sampler for the datasets of MMSegmentation, in its own `tools/train.py`."""

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
from typing_extensions import override

from oodbench.errors import DataError
from oodbench.training.sampling import ClassBalancedOrder, index_frames_by_class


def _read_labels(path: Path) -> NDArray[np.uint8]:
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if values is None or values.ndim != 2 or values.dtype != np.uint8:
        raise DataError(f"{path}: not an 8-bit label image", "Check that the copy of the dataset is complete.")
    return np.asarray(values, np.uint8)


class BalancedSampler(Sampler[int]):
    """Endless sampler of frame indices. Each rank takes its share of one order.

    Args:
        dataset: Dataset of MMSegmentation whose label files have train ids.
        seed: Seed of the order; None: a random one that all ranks share.
        min_pixels: Minimum number of pixels of a class for a frame to count as containing it.

    Raises:
        DataError: A label image can't be read, or no frame has a label.
    """

    def __init__(self, dataset: Any, seed: int | None = None, min_pixels: int = 1) -> None:
        self.rank, self.ranks = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.size = len(dataset)
        paths = [Path(dataset.get_data_info(index)["seg_map_path"]) for index in range(self.size)]
        self.frames = index_frames_by_class([partial(_read_labels, path) for path in paths], min_pixels)
        if not self.frames:
            raise DataError(f"{paths[0].parent}: no label in {self.size} frames", "Check that not all labels are void.")

    @override
    def __iter__(self) -> Iterator[int]:
        order = ClassBalancedOrder(self.frames, self.seed)
        return (order(draw)[0] for draw in islice(count(), self.rank, None, self.ranks))

    def __len__(self) -> int:
        return self.size


DATA_SAMPLERS.register_module(name="OodbenchBalancedSampler", module=BalancedSampler)
