"""Benchmarks (frames with anomaly labels) and datasets (frames with semantic labels)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from oodbench.types import ClassSet, FrameSet


@dataclass(frozen=True)
class Roots:
    """The folders that are searched for data.

    Attributes:
        anywhere: Folders in which, or up to two levels below which, any benchmark or dataset may be.
        named: Folders that the user gave for a certain benchmark or dataset, by its name.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.contracts import Roots
        >>> roots = Roots((Path("data"),), {"road-anomaly": (Path("downloads"),)})
        >>> [str(folder) for name in ("road-anomaly", "cityscapes") for folder in roots.of(name)]
        ['downloads', 'data']
    """

    anywhere: tuple[Path, ...] = ()
    named: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[Path, ...]:
        """Return the folders to search for a benchmark or dataset: its own if it has any, otherwise the common ones.

        Args:
            name: Public name of the benchmark or dataset.
        """
        return self.named.get(name, self.anywhere)


@dataclass(frozen=True)
class ComponentSizes:
    """The smallest components that count in component metrics, in pixels. The defaults are those of RoadAnomaly21.

    Attributes:
        prediction: A predicted component of fewer pixels is dropped.
        object: An object of fewer pixels is void.

    Examples:
        >>> from oodbench.contracts import ComponentSizes
        >>> ComponentSizes(prediction=50, object=10).object
        10
    """

    prediction: int = 500
    object: int = 100


@dataclass(frozen=True)
class Archive:
    """A file that its authors offer for download.

    Attributes:
        name: Name of the file.
        url: Address of the file; empty if it requires a registration or the address is not known.
        size: Size in bytes; None if it is not known.
        md5: MD5 in hexadecimal; empty if it is not known.
        fetchable: Whether the licence allows a program to download it for a user who has not visited its page.

    Examples:
        >>> from oodbench.contracts import Archive
        >>> str(Archive("frames.zip", "https://example.org/frames.zip", size=1000))
        'https://example.org/frames.zip, 1000 bytes'
    """

    name: str
    url: str = ""
    size: int | None = None
    md5: str = ""
    fetchable: bool = False

    @override
    def __str__(self) -> str:
        """Return everything but the name, in one line."""
        facts = (self.url or "on the dataset's page", f"{self.size} bytes" if self.size else "")
        return ", ".join(filter(None, (*facts, f"MD5 {self.md5}" if self.md5 else "")))


@dataclass(frozen=True)
class BenchmarkCard:
    """The fact sheet of a benchmark.

    Attributes:
        name: The public name.
        title: The name that papers use.
        paper: Authors, title, venue and year.
        url: The page on which it is published.
        licence: The licence as its authors state it; if sources disagree, each of them.
        frames: Number of frames of the complete set; 0 if it is not published.
        labels: Maps each value in its label files to its meaning; empty if its labels are hidden.
        layouts: Maps the name of each recognised folder layout to its description.
        obtain: The files to download and the folder layout to create.
        leaderboard_protocol: The protocol of the benchmark's leaderboard or toolkit.
        dataset: For a synthetic benchmark, the dataset of the same world. A run selects the benchmark automatically
            only for networks that were trained on that dataset.
        components: The smallest components that count, as in its own toolkit.
        variant_of: For another label rule or another part of the same frames, the benchmark that is usually used. A
            run takes a variant only by its name.
        archives: The files to download.

    Examples:
        >>> import oodbench
        >>> card = oodbench.load_benchmark("streets-anomaly").card
        >>> card.frames, card.leaderboard_protocol, card.hidden
        (250, 'pooled', False)
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
        """Whether its labels are hidden: it is scored and can be submitted, and is never evaluated here."""
        return not self.labels


@dataclass(frozen=True)
class DatasetCard:
    """The fact sheet of a dataset.

    Attributes:
        name: The public name.
        title: The name that papers use.
        paper: Authors, title, venue and year.
        url: The page on which it is published.
        licence: The licence as its authors state it; if sources disagree, each of them.
        classes: The class set of its labels; None if a file provided by the user defines it.
        splits: Maps each split to the number of frames of the complete split.
        layouts: Maps the name of each recognised folder layout to its description.
        obtain: The files to download and the folder layout to create.
        synthetic: Whether it is generated and always available. A run selects such a dataset automatically only for
            networks that were trained on it.
        archives: The files to download.

    Examples:
        >>> import oodbench
        >>> card = oodbench.load_dataset("streets-train").card
        >>> card.classes.name, card.synthetic, list(card.splits)
        ('cityscapes-19', True, ['train', 'val'])
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
    """Frames with anomaly labels; the base class of a plugin.

    Attributes:
        card: The fact sheet.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import Benchmark, BenchmarkCard, Roots
        >>> from oodbench.types import AnomalyLabels, Frame, FrameSet
        >>> class Grey(Benchmark):
        ...     card = BenchmarkCard(
        ...         "grey", "Grey", "none", "", "CC0", 1, {"1": "anomaly"}, {"memory": "generated"}, "nothing", "pooled"
        ...     )
        ...
        ...     def open(self, roots):
        ...         frame = Frame(
        ...             "0", "scene", lambda: (4, 6), lambda: np.full((4, 6, 3), 128, np.uint8),
        ...             lambda: AnomalyLabels(np.eye(4, 6, dtype=np.uint8)), identity="version 1",
        ...         )
        ...         return FrameSet((frame,), "memory", None, 1)
        >>> frame = Grey().open(Roots()).frames[0]
        >>> frame.read_image().shape, int(frame.read_anomaly_labels().values.sum())
        ((4, 6, 3), 4)
    """

    card: ClassVar[BenchmarkCard]

    @abstractmethod
    def open(self, roots: Roots) -> FrameSet:
        """Find the benchmark and pair each image with its label. No pixel is read.

        Args:
            roots: The folders to search; those of this benchmark are `roots.of(card.name)`.

        Returns:
            The frames, in a stable order.

        Raises:
            DataNotFoundError: None of the folders contains it in a known layout.
            DataError: A folder contains it, but it is not valid: a label is missing, two copies were found, and so on.
        """


class Dataset(ABC):
    """Frames with semantic labels, in splits; the base class of a plugin.

    Attributes:
        card: The fact sheet.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import Dataset, DatasetCard, Roots
        >>> from oodbench.types import CITYSCAPES_19, Frame, FrameSet, SemanticLabels
        >>> class Roads(Dataset):
        ...     card = DatasetCard(
        ...         "roads", "Roads", "none", "", "CC0", CITYSCAPES_19, {"train": 1}, {"memory": "generated"}, "nothing"
        ...     )
        ...
        ...     def open(self, roots):
        ...         frame = Frame(
        ...             "0", "scene", lambda: (4, 6), lambda: np.full((4, 6, 3), 128, np.uint8), identity="version 1",
        ...             read_semantic_labels=lambda: SemanticLabels(np.zeros((4, 6), np.uint8), CITYSCAPES_19),
        ...         )
        ...         return {"train": FrameSet((frame,), "memory", None, 1)}
        >>> list(Roads().open(Roots())), Roads().classes(Roots()).name
        (['train'], 'cityscapes-19')
    """

    card: ClassVar[DatasetCard]

    @abstractmethod
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        """Find the dataset and pair each image with its label. No pixel is read.

        Args:
            roots: The folders to search; those of this dataset are `roots.of(card.name)`.

        Returns:
            The splits that were found, by name, in the order of the card.

        Raises:
            DataNotFoundError: None of the folders contains it in a known layout.
            DataError: A folder contains it, but it is not valid: a label is missing, two copies were found, and so on.
        """

    def classes(self, roots: Roots) -> ClassSet:
        """Return the classes that its labels refer to: the card's, or those of a file under the roots.

        Args:
            roots: The folders to search for that file.

        Raises:
            DataNotFoundError: There is no such file.
            DataError: The file is not valid.
            NotImplementedError: The card has no classes, and the dataset does not override this method.
        """
        if self.card.classes is None:
            raise NotImplementedError(f"{type(self).__name__}: its card has no classes; define classes(roots)")
        return self.card.classes
