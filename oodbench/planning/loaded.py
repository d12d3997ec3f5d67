"""Benchmarks and datasets as Python objects: a sequence of frames that knows where it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from oodbench.contracts import BenchmarkCard, DatasetCard, Roots
from oodbench.types import Frame, FrameSet

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset


@dataclass(frozen=True)
class LoadedFrames(Sequence[Frame]):
    """Frames as found on disk; a sequence of `Frame`.

    Attributes:
        found: The frames, their layout and folder, and what is unusual about this copy.
        roots: Where they were looked for.
    """

    found: FrameSet
    roots: Roots

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unusual about this copy, such as missing frames."""
        return self.found.warnings

    def __len__(self) -> int:
        return len(self.found.frames)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Frame, ...]: ...
    def __getitem__(self, index: int | slice) -> Frame | tuple[Frame, ...]:
        return self.found.frames[index]

    def __iter__(self) -> Iterator[Frame]:
        return iter(self.found.frames)

    def as_torch_dataset(self) -> Dataset[tuple[Tensor, Tensor]]:
        """Return the frames as a map-style dataset for `torch.utils.data.DataLoader`.

        Each item is the image, uint8 [3, H, W], red first, and its labels, uint8 [H, W]: for a benchmark 0 where the
        pixel is in-distribution, 1 where it is an anomaly and 255 where it is void; for a dataset the index of the
        class, 255 where it is void. Items can be read in worker processes.

        Raises:
            DataError: When an item without public labels is read.
        """
        from oodbench.planning.torch_frames import TorchFrames

        return TorchFrames(self.found.frames)


@dataclass(frozen=True)
class LoadedBenchmark(LoadedFrames):
    """A benchmark: frames with anomaly labels.

    Attributes:
        card: Its fact sheet: paper, licence, label values, protocol of its leaderboard.
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
        card: Its fact sheet.
        split: The name of the split.
        splits: Name -> number of frames, for all splits that were found.
    """

    card: DatasetCard
    split: str
    splits: Mapping[str, int]

    @property
    def name(self) -> str:
        """The public name."""
        return self.card.name
