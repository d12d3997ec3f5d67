"""Benchmarks and datasets as Python objects: sequences of frames with their card, layout and folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from typing_extensions import override

from oodbench.contracts import BenchmarkCard, DatasetCard, Roots
from oodbench.types import Frame, FrameSet

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset


@dataclass(frozen=True)
class LoadedFrames(Sequence[Frame]):
    """Frames as found on disk; a sequence of `Frame`.

    Attributes:
        found: The frames, their layout, their folder, and warnings about this copy.
        roots: The folders that were searched.
    """

    found: FrameSet
    roots: Roots

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about this copy, such as missing frames."""
        return self.found.warnings

    @override
    def __len__(self) -> int:
        return len(self.found.frames)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Frame, ...]: ...
    @override
    def __getitem__(self, index: int | slice) -> Frame | tuple[Frame, ...]:
        return self.found.frames[index]

    @override
    def __iter__(self) -> Iterator[Frame]:
        return iter(self.found.frames)

    def as_torch_dataset(self) -> Dataset[tuple[Tensor, Tensor]]:
        """Return the frames as a map-style dataset for `torch.utils.data.DataLoader`.

        Each item is an image, uint8 [3, H, W] in RGB order, and its labels, uint8 [H, W]. The labels of a benchmark
        are 0 (in-distribution), 1 (anomaly) and 255 (void). The labels of a dataset are class indices and 255 (void).
        Items can be read in worker processes.

        Raises:
            DataError: An item without public labels is read.
        """
        from oodbench.planning.torch_frames import TorchFrames

        return TorchFrames(self.found.frames)


@dataclass(frozen=True)
class LoadedBenchmark(LoadedFrames):
    """A benchmark: frames with anomaly labels.

    Attributes:
        card: The benchmark's card: paper, licence, label values, protocol of its leaderboard.
    """

    card: BenchmarkCard

    @property
    def name(self) -> str:
        """The public name."""
        return self.card.name


@dataclass(frozen=True)
class LoadedDataset(LoadedFrames):
    """One split of a dataset: frames with semantic labels.

    Attributes:
        card: The dataset's card.
        split: The name of the split.
        splits: Maps the name of each split that was found to its number of frames.
    """

    card: DatasetCard
    split: str
    splits: Mapping[str, int]

    @property
    def name(self) -> str:
        """The public name."""
        return self.card.name
