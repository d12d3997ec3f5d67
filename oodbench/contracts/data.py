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
class Archive:
    """A file that its authors offer for download.

    Attributes:
        name: of the file.
        url: where it lies; empty where one has to register, or where no address is known.
        size: in bytes, None where it is not known.
        md5: in hexadecimal, empty where it is not known.
        fetchable: whether its licence lets a program download it for somebody who has not been to its page.
    """

    name: str
    url: str = ""
    size: int | None = None
    md5: str = ""
    fetchable: bool = False

    def __str__(self) -> str:
        """All but the name, in one line."""
        known = (self.url or "on the data set's page", f"{self.size} bytes" if self.size else "")
        return ", ".join(filter(None, (*known, f"MD5 {self.md5}" if self.md5 else "")))


@dataclass(frozen=True)
class BenchmarkCard:
    """The fact sheet of a benchmark.

    Attributes:
        name: the public name.
        title: the name that papers use.
        paper: authors, title, venue and year.
        url: where it is published.
        licence: as its authors state it; where sources disagree, each of them.
        frames: how many frames the complete set has; 0 where that is not published.
        labels: what each value in its label files means; empty where its labels are secret.
        layouts: the folder layouts that are recognised, in words.
        obtain: what to download, and how to lay it out.
        leaderboard_protocol: the protocol of its own leaderboard or toolkit.
        dataset: of a synthetic benchmark, the dataset of the same world; it is taken by itself only for networks
            that were trained on that.
        components: the smallest components that count, as its own toolkit has them.
        variant_of: of another reading or another part of the same frames, the benchmark that is the usual one. A run
            takes a variant only by its name.
        archives: what to download.
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
    variant_of: str = ""
    archives: tuple[Archive, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether its labels are secret: it is scored and can be submitted, and is never evaluated here."""
        return not self.labels


@dataclass(frozen=True)
class DatasetCard:
    """The fact sheet of a dataset. `splits` has the number of frames of each complete split.

    `classes` is None if a file provided by the user defines them. A `synthetic` dataset is always available; a run
    selects it automatically only for networks that were trained on it.
    """

    name: str
    title: str
    paper: str
    url: str
    licence: str
    classes: ClassSet | None
    splits: Mapping[str, int]
    layouts: Mapping[str, str]
    obtain: str
    synthetic: bool = False
    archives: tuple[Archive, ...] = ()


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

    def classes(self, roots: Roots) -> ClassSet:
        """The classes that its labels refer to: the card's, or those that a file under the roots says.

        Raises:
            DataNotFoundError, DataError: as `open`, of that file.
        """
        if self.card.classes is None:
            raise NotImplementedError(f"{type(self).__name__}: its card has no classes; write classes(roots)")
        return self.card.classes
