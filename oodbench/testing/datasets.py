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
    """The contract of a dataset. A subclass defines `make`.

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
        """Return the splits that are found."""
        return self.registry().dataset(self.name).open(roots)

    @override
    def expected(self) -> Mapping[str, int]:
        """Return the number of frames of each complete split."""
        splits: Mapping[str, int] = self.load().card.splits
        return splits

    @override
    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """Return the frame's semantic labels, which must refer to the card's classes if it states any."""
        if frame.read_semantic_labels is None:
            return None
        labels, classes = frame.read_semantic_labels(), self.load().card.classes or self._classes
        assert labels.classes == classes, (
            f"{frame.id}: labels of {labels.classes.name}; expected the classes of its card, {classes.name}"
        )
        return labels.values

    @override
    def allowed(self) -> set[int]:
        """Return the indices of the classes, and void."""
        return {*range(len(self.load().card.classes or self._classes)), VOID}

    @override
    def found(self, folder: Path) -> list[Frame]:
        """Return the frames in a folder, and keep the dataset's classes in that folder for the check of labels."""
        self._classes = self.registry().dataset(self.name).classes(Roots((folder,)))
        return super().found(folder)

    def test_its_card_is_complete(self) -> None:
        """Check that `oodbench info dataset NAME` can show a description and where to get the dataset."""
        card = self.load().card
        assert_filled(card, *(() if self.synthetic else ("url",)))
        assert_filled(card, "title", "paper", "licence", "splits", "layouts", "obtain")

    def test_splits_are_those_of_the_card_in_its_order(self, tmp_path: Path) -> None:
        """Check the order of splits: methods are fitted on the first and calibrated on the second."""
        self.made(tmp_path)
        names, declared = list(self.splits(Roots((tmp_path,)))), list(self.expected())
        assert names == [split for split in declared if split in names], (
            f"{self.name}: the splits {names}; expected some of {declared}, in that order"
        )

    def test_splits_share_no_frame(self, tmp_path: Path) -> None:
        """Check that the splits are disjoint: a method must not be calibrated on the frames of its fit."""
        images = [frame.image_file for frame in self.made(tmp_path) if frame.image_file is not None]
        twice = {image for image in images if images.count(image) > 1}
        assert not twice, f"{self.name}: {min(twice)} is in two splits"

    def test_every_frame_is_labelled(self, tmp_path: Path) -> None:
        """Check that every frame has labels, which a fit needs."""
        for frame in self.made(tmp_path):
            assert frame.read_semantic_labels is not None, f"{frame.id}: no semantic labels"
