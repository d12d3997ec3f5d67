"""The contract test of datasets, which runs on a small copy of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import Roots
from oodbench.testing.frames import FramesContract
from oodbench.testing.plugin import assert_filled
from oodbench.types import VOID, Frame, FrameSet


class DatasetContract(FramesContract):
    """The tests that a `Dataset` must pass; pytest runs them from a subclass in your tests.

    The subclass sets `name`, and `plugin` to your file. It defines `make(folder)`, which writes a small copy of the
    dataset. The other methods can stay as they are.

    Examples:
        >>> from oodbench.testing import DatasetContract
        >>> class TestStreets(DatasetContract):
        ...     name = "streets-train"
        ...     synthetic = True  # a dataset on disk defines make(folder) instead
        >>> TestStreets().test_its_card_is_complete()  # pytest runs all tests of the class
    """

    kind = "datasets"

    @override
    def splits(self, roots: Roots) -> Mapping[str, FrameSet]:
        """Return the frames that are found, by the name of the split."""
        return self.registry().dataset(self.name).open(roots)

    @override
    def expected(self) -> Mapping[str, int]:
        """Return the number of frames of each complete split, as the card states it."""
        splits: Mapping[str, int] = self.load().card.splits
        return splits

    @override
    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """Return the frame's semantic labels, and check that their classes are those on the card, if it has any."""
        if frame.read_semantic_labels is None:
            return None
        labels, classes = frame.read_semantic_labels(), self.load().card.classes or self._classes
        assert labels.classes == classes, (
            f"{frame.id}: labels of {labels.classes.name}; expected the classes of its card, {classes.name}"
        )
        return labels.values

    @override
    def allowed(self) -> set[int]:
        """Return the allowed label values: the indices of the classes, and void (255)."""
        return {*range(len(self.load().card.classes or self._classes)), VOID}

    @override
    def found(self, folder: Path) -> list[Frame]:
        """Return the frames that are found in a folder, and keep the classes of the dataset for the check of labels."""
        self._classes = self.registry().dataset(self.name).classes(Roots((folder,)))
        return super().found(folder)

    def test_its_card_is_complete(self) -> None:
        """Check that the card has what `oodbench info dataset NAME` shows, such as where to get the dataset."""
        card = self.load().card
        assert_filled(card, *(() if self.synthetic else ("url",)))
        assert_filled(card, "title", "paper", "licence", "splits", "layouts", "obtain")

    def test_splits_are_those_of_the_card_in_its_order(self, tmp_path: Path) -> None:
        """Check the order of the splits: methods learn from the first, and thresholds are computed on the second."""
        self.made(tmp_path)
        names, declared = list(self.splits(Roots((tmp_path,)))), list(self.expected())
        assert names == [split for split in declared if split in names], (
            f"{self.name}: the splits {names}; expected some of {declared}, in that order"
        )

    def test_splits_share_no_frame(self, tmp_path: Path) -> None:
        """Check that no frame is in two splits: a threshold needs frames from which the method has not learned."""
        images = [frame.image_file for frame in self.made(tmp_path) if frame.image_file is not None]
        twice = {image for image in images if images.count(image) > 1}
        assert not twice, f"{self.name}: {min(twice)} is in two splits"

    def test_every_frame_is_labelled(self, tmp_path: Path) -> None:
        """Check that every frame has labels, because methods learn from them."""
        for frame in self.made(tmp_path):
            assert frame.read_semantic_labels is not None, f"{frame.id}: no semantic labels"
