"""What every dataset has to hold, on a small copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import Roots
from oodbench.testing.frames import FramesContract
from oodbench.testing.plugin import assert_filled
from oodbench.types import VOID, Frame, FrameSet


class DatasetContract(FramesContract):
    """The contract of a dataset; write `make`."""

    kind = "datasets"

    def splits(self, roots: Roots) -> Mapping[str, FrameSet]:
        """Those that are there."""
        return self.registry().dataset(self.name).open(roots)

    def expected(self) -> Mapping[str, int]:
        """The frames of the complete splits."""
        splits: Mapping[str, int] = self.load().card.splits
        return splits

    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """Its semantic labels, which refer to the card's classes where the card has some."""
        if frame.read_semantic_labels is None:
            return None
        labels, classes = frame.read_semantic_labels(), self.load().card.classes or self._said
        assert labels.classes == classes, (
            f"{frame.id}: labels of {labels.classes.name}; expected those of its card, {classes.name}"
        )
        return labels.values

    def allowed(self) -> set[int]:
        """Indices into the classes, and void."""
        return {*range(len(self.load().card.classes or self._said)), VOID}

    def found(self, folder: Path) -> list[Frame]:
        """As in the base; what the data set says of its classes in that folder is kept for the labels."""
        self._said = self.registry().dataset(self.name).classes(Roots((folder,)))
        return super().found(folder)

    def test_its_card_is_complete(self) -> None:
        """`oodbench info dataset NAME` says what it is and where to get it."""
        card = self.load().card
        assert_filled(card, *(() if self.synthetic else ("url",)))
        assert_filled(card, "title", "paper", "licence", "splits", "layouts", "obtain")

    def test_splits_are_those_of_the_card_in_its_order(self, tmp_path: Path) -> None:
        """Methods are fitted on the first and calibrated on the second."""
        self.made(tmp_path)
        found, known = list(self.splits(Roots((tmp_path,)))), list(self.expected())
        assert found == [split for split in known if split in found], (
            f"{self.name}: the splits {found}; expected some of {known}, in that order"
        )

    def test_splits_share_no_frame(self, tmp_path: Path) -> None:
        """A method must not be calibrated on what it was fitted on."""
        images = [frame.image_file for frame in self.made(tmp_path) if frame.image_file is not None]
        twice = {image for image in images if images.count(image) > 1}
        assert not twice, f"{self.name}: {min(twice)} is in two splits"

    def test_every_frame_is_labelled(self, tmp_path: Path) -> None:
        """A fit reads labels."""
        for frame in self.made(tmp_path):
            assert frame.read_semantic_labels is not None, f"{frame.id}: no semantic labels"
