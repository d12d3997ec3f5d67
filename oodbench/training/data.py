"""Dataset of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from oodbench.files import digest_bytes
from oodbench.registry import Registry
from oodbench.training.recipe import Recipe
from oodbench.types import CITYSCAPES_19, ClassSet, Frame, FrameSet


@dataclass(frozen=True)
class TrainingData:
    """Dataset of a training.

    Attributes:
        splits: Frames per split, at least of the two splits that the recipe needs.
        classes: Class set of the labels.
    """

    splits: Mapping[str, FrameSet]
    classes: ClassSet

    def to_record(self, frames: Sequence[Frame]) -> dict[str, Any]:
        """Return the facts about the data that a checkpoint records, as plain values.

        Args:
            frames: Training frames in use. Their order matters, because draws refer to frames by index.
        """
        names = digest_bytes("\n".join(frame.id for frame in frames).encode())
        return {"training frames": f"{len(frames)} ({names[:8]})", "classes": list(self.classes.names)}


def find_data(recipe: Recipe, roots: Roots, plugins: Sequence[Path]) -> TrainingData:
    """Find the dataset of a recipe.

    Args:
        recipe: Recipe that names the dataset.
        roots: Folders to look in.
        plugins: Plugin files, which may define the dataset.

    Raises:
        DataError: The dataset, or a split that the recipe needs, is not found.
    """
    dataset = Registry(plugins).dataset(recipe.dataset_name)
    try:
        splits = dataset.open(roots)
    except DataNotFoundError as error:
        raise DataNotFoundError(error.problem, (error.remedy or "").replace("--id-data", "--data")) from None
    for split in recipe.splits:
        if split not in splits:
            raise DataError(
                f"{recipe.dataset_name} has no split '{split}', which the recipe {recipe.name} needs; "
                f"it has {', '.join(splits)}",
                "Complete the copy, or give the folder of a complete one with --data. Recipes of architectures need "
                "the splits train and val.",
            )
    return TrainingData(splits, dataset.classes(roots))


def find_data_or_empty(recipe: Recipe, roots: Roots, plugins: Sequence[Path]) -> tuple[TrainingData, str]:
    """Find the dataset of a recipe, or return splits without frames and the classes of Cityscapes.

    Returns:
        The data, and the problem if it was not found; otherwise an empty string.
    """
    try:
        return find_data(recipe, roots, plugins), ""
    except DataError as error:
        no_frames = FrameSet((), "", None, 0)
        return TrainingData(dict.fromkeys(recipe.splits, no_frames), CITYSCAPES_19), error.problem
