"""Benchmarks (frames with anomaly labels) and datasets (frames with semantic labels)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from oodbench.types import ClassSet, FrameSet


@dataclass(frozen=True)
class Roots:
    """Where to look for data.

    Attributes:
        anywhere: folders in which, or up to two levels under which, any data set may lie.
        named: folders that the user said hold a certain data set, by its name.
    """

    anywhere: tuple[Path, ...] = ()
    named: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[Path, ...]:
        """The folders to search for the data set `name`: its own where it has some, else the common ones."""
        return self.named.get(name, self.anywhere)


@dataclass(frozen=True)
class ComponentSizes:
    """The smallest components that count in component metrics, in pixels. By default those of RoadAnomaly21.

    Attributes:
        prediction: a smaller predicted component is dropped.
        object: a smaller object is void.
    """

    prediction: int = 500
    object: int = 100


@dataclass(frozen=True)
class BenchmarkCard:
    """The fact sheet of a benchmark.

    Attributes:
        name: the public name.
        title: the name that papers use.
        paper: authors, title, venue and year.
        url: where it is published.
        licence: as its authors state it.
        frames: how many frames the complete set has.
        labels: what each value in its label files means.
        layouts: the folder layouts that are recognised, in words.
        obtain: what to download, and how to lay it out.
        leaderboard_protocol: the protocol of its own leaderboard or toolkit.
        dataset: of a benchmark that is drawn, the dataset of the same world; it is taken by itself only for networks
            that were trained on that.
        components: the smallest components that count, as its own toolkit has them.
    """

    name: str
    title: str
    paper: str
    url: str
    licence: str
    frames: int
    labels: Mapping[str, str]
    layouts: Mapping[str, str]
    obtain: str
    leaderboard_protocol: str
    dataset: str = ""
    components: ComponentSizes = ComponentSizes()


@dataclass(frozen=True)
class DatasetCard:
    """The fact sheet of a dataset. `splits` has the number of frames of each complete split.

    A `drawn` one is always there; it is taken by itself only for networks that were trained on it.
    """

    name: str
    title: str
    paper: str
    url: str
    licence: str
    classes: ClassSet
    splits: Mapping[str, int]
    layouts: Mapping[str, str]
    obtain: str
    drawn: bool = False


class Benchmark(ABC):
    """Frames with anomaly labels."""

    card: ClassVar[BenchmarkCard]

    @abstractmethod
    def open(self, roots: Roots) -> FrameSet:
        """Find the benchmark under `roots.of(card.name)` and pair each image with its label.

        Raises:
            DataNotFoundError: none of the folders holds it in a layout that is known.
            DataError: one does, but it is not in order: a label is missing, two copies were found, and so on.
        """


class Dataset(ABC):
    """Frames with semantic labels, in splits."""

    card: ClassVar[DatasetCard]

    @abstractmethod
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        """The splits that lie under `roots.of(card.name)`, by name.

        Raises:
            DataNotFoundError, DataError: as `Benchmark.open`.
        """
