"""The contract test of benchmarks, which runs on a small copy of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from oodbench.contracts import BenchmarkCard, Roots
from oodbench.metrics import PROTOCOLS
from oodbench.testing.frames import FramesContract
from oodbench.testing.plugin import assert_filled
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, Frame, FrameSet


class BenchmarkContract(FramesContract):
    """The tests that a `Benchmark` must pass; pytest runs them from a subclass in your tests.

    The subclass sets `name`, and `plugin` to your file. It defines `make(folder)`, which writes a small copy of the
    benchmark. The other methods can stay as they are.

    Examples:
        >>> from oodbench.testing import BenchmarkContract
        >>> class TestStreets(BenchmarkContract):
        ...     name = "streets-anomaly"
        ...     synthetic = True  # a benchmark on disk defines make(folder) instead
        >>> TestStreets().test_its_card_is_complete()  # pytest runs all tests of the class
    """

    kind = "benchmarks"

    @override
    def splits(self, roots: Roots) -> Mapping[str, FrameSet]:
        """Return all frames that are found, under the name of the only split: an empty string."""
        return {"": self.registry().benchmark(self.name).open(roots)}

    @override
    def expected(self) -> Mapping[str, int]:
        """Return the number of frames of the complete benchmark, as its card states it."""
        return {"": self.load().card.frames}

    @override
    def labels(self, frame: Frame) -> NDArray[np.uint8] | None:
        """Return the frame's anomaly labels."""
        return None if frame.read_anomaly_labels is None else frame.read_anomaly_labels().values

    @override
    def allowed(self) -> set[int]:
        """Return the allowed label values: in-distribution (0), anomaly (1) and void (255)."""
        return {IN_DISTRIBUTION, ANOMALY, VOID}

    @override
    def hidden(self) -> bool:
        """Return whether the labels are hidden (not public), as the card states it."""
        card: BenchmarkCard = self.load().card
        return card.hidden

    def test_its_card_is_complete(self) -> None:
        """Check that the card has what `oodbench info benchmark NAME` shows, such as where to get the benchmark."""
        card = self.load().card
        assert_filled(card, *(() if self.synthetic else ("url",)))
        assert_filled(card, "title", "paper", "licence", "layouts", "obtain")
        # The number of frames may be 0: not published, or the user's own frames.
        assert_filled(card, *(() if card.hidden else ("labels",)))
        names = self.registry().names("benchmarks")
        assert card.variant_of in ("", *names), f"{self.name}: variant_of '{card.variant_of}' is not a benchmark"
        assert card.leaderboard_protocol in PROTOCOLS, (
            f"{self.name}: leaderboard_protocol is '{card.leaderboard_protocol}'; expected one of {list(PROTOCOLS)}"
        )

    def test_it_has_anomalies(self, tmp_path: Path) -> None:
        """Check that there are anomalous and in-distribution pixels, which metrics need, unless labels are hidden."""
        if self.hidden():
            return
        label_maps = [labels for frame in self.made(tmp_path) if (labels := self.labels(frame)) is not None]
        for what, value in (("anomalous", ANOMALY), ("in-distribution", IN_DISTRIBUTION)):
            assert any((labels == value).any() for labels in label_maps), (
                f"{self.name}: no pixel is {what} ({value}): does make() write one, and does the rule read it?"
            )
