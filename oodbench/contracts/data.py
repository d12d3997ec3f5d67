"""Benchmarks (frames with anomaly labels) and datasets (frames with semantic labels)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from oodbench.errors import PluginError
from oodbench.text import find_file_fault, shorten
from oodbench.types import ClassSet, FrameSet


@dataclass(frozen=True)
class Roots:
    """The folders that are searched for benchmarks and datasets.

    Attributes:
        anywhere: Folders that are searched for every benchmark and dataset, up to two levels deep.
        named: Maps the name of a benchmark or dataset to the folders that the user passed for it.

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
        """Return the folders to search for a benchmark or dataset: its folders in `named`, otherwise `anywhere`.

        Args:
            name: Name of the benchmark or dataset.
        """
        return self.named.get(name, self.anywhere)


@dataclass(frozen=True)
class ComponentSizes:
    """The minimum sizes for the metrics of whole objects, in pixels. The defaults are those of RoadAnomaly21.

    Attributes:
        prediction: Minimum size of a connected region of predicted pixels; smaller regions are dropped.
        object: Minimum size of a labelled object; smaller objects become void (are not counted).

    Examples:
        >>> from oodbench.contracts import ComponentSizes
        >>> ComponentSizes(prediction=50, object=10).object
        10
    """

    prediction: int = 500
    object: int = 100


@dataclass(frozen=True)
class Archive:
    """A file of a benchmark or dataset that its authors offer for download.

    Attributes:
        name: Name of the file.
        url: Address of the file; empty if the download requires a registration or the address is not known.
        size: Size of the file in bytes; None if it is not known.
        md5: MD5 of the file in hexadecimal; empty if it is not known.
        sha256: SHA-256 of the file in hexadecimal; empty if it is not known.
        fetchable: Whether a program may download the file for a user who has not visited the authors' page.
        available: Whether the authors still offer the file. If not, its size and checksum identify a copy.

    Raises:
        PluginError: The name is not a plain file name. A download must not leave its folder.

    Examples:
        >>> from oodbench.contracts import Archive
        >>> str(Archive("frames.zip", "https://example.org/frames.zip", size=1000))
        'https://example.org/frames.zip, 1000 bytes'
    """

    name: str
    url: str = ""
    size: int | None = None
    md5: str = ""
    sha256: str = ""
    fetchable: bool = False
    available: bool = True

    def __post_init__(self) -> None:
        if fault := find_file_fault(self.name):
            raise PluginError(f"archive {shorten(self.name)}: {fault}", "Correct the name in the card.")

    @property
    def digest(self) -> str:
        """The name and value of the strongest published checksum; empty if none is published."""
        return f"SHA-256 {self.sha256}" if self.sha256 else f"MD5 {self.md5}" if self.md5 else ""

    @override
    def __str__(self) -> str:
        """Return everything but the name, in one line."""
        place = self.url or "on the dataset's page"
        if not self.available:
            place = f"{self.url} (no longer available)" if self.url else "no longer offered by its authors"
        digests = (f"{name} {value}" for name, value in (("MD5", self.md5), ("SHA-256", self.sha256)) if value)
        return ", ".join((place, *([f"{self.size} bytes"] if self.size else ()), *digests))


@dataclass(frozen=True)
class BenchmarkCard:
    """The fact sheet of a benchmark, which consists of frames with anomaly labels.

    Attributes:
        name: The name in commands and functions.
        title: The name that papers use.
        paper: Authors, title, venue and year.
        url: The page on which the benchmark is published.
        licence: The licence as the authors state it. If sources disagree, all their statements.
        frames: Number of frames of the complete benchmark; 0 if this number is not published.
        labels: Maps each value in the label files to its meaning; empty if the labels are hidden (not public).
        layouts: Maps the name of each folder structure that oodbench recognises to its description.
        obtain: Instructions: the files to download, and the folder structure to create.
        leaderboard_protocol: Name of the protocol (rules of evaluation) of the benchmark's leaderboard or toolkit.
        dataset: For a synthetic benchmark, the dataset of the same synthetic scenes. A run that names no benchmark uses
            this benchmark only for networks that were trained on this dataset. Empty for a real benchmark.
        components: The minimum sizes of objects and predictions, as in the benchmark's own toolkit.
        variant_of: For a variant, which has other labels or only some of the frames, the name of the usual benchmark. A
            run uses a variant only if it is named. Empty if this is not a variant.
        archives: The files to download.
        url_available: Whether the page still exists.

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
    url_available: bool = True

    @property
    def hidden(self) -> bool:
        """Whether the labels are not public. Such a benchmark gets score maps for a leaderboard, but no metrics."""
        return not self.labels


@dataclass(frozen=True)
class DatasetCard:
    """The fact sheet of a dataset, which consists of frames with semantic labels.

    Attributes:
        name: The name in commands and functions.
        title: The name that papers use.
        paper: Authors, title, venue and year.
        url: The page on which the dataset is published.
        licence: The licence as the authors state it. If sources disagree, all their statements.
        classes: The classes of the labels; None if a file provided by the user defines them.
        splits: Maps the name of each split, such as `train`, to the number of frames of the complete split.
        layouts: Maps the name of each folder structure that oodbench recognises to its description.
        obtain: Instructions: the files to download, and the folder structure to create.
        synthetic: Whether the dataset is generated by oodbench and therefore always available. A run that names no
            dataset uses it only for networks that were trained on it.
        archives: The files to download.
        url_available: Whether the page still exists.

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
    url_available: bool = True


class Benchmark(ABC):
    """Base class of a benchmark: frames with anomaly labels. Override `card` and `open`.

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
            roots: The folders to search; `roots.of(card.name)` are those for this benchmark.

        Returns:
            The frames, in the same order at each call.

        Raises:
            DataNotFoundError: None of the folders contains the benchmark in a known folder structure.
            DataError: A copy was found, but it is not valid; for example, a label is missing, or there are two copies.
        """


class Dataset(ABC):
    """Base class of a dataset: frames with semantic labels, in splits such as `train`. Override `card` and `open`.

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
            roots: The folders to search; `roots.of(card.name)` are those for this dataset.

        Returns:
            The splits that were found, by name, in the order of the card.

        Raises:
            DataNotFoundError: None of the folders contains the dataset in a known folder structure.
            DataError: A copy was found, but it is not valid; for example, a label is missing, or there are two copies.
        """

    def classes(self, roots: Roots) -> ClassSet:
        """Return the classes of the labels: those on the card, or those in a file that the user provides.

        Args:
            roots: The folders to search for this file.

        Raises:
            DataNotFoundError: There is no such file.
            DataError: The file is not valid.
            NotImplementedError: The card has no classes, and the dataset does not override this method.
        """
        if self.card.classes is None:
            raise NotImplementedError(f"{type(self).__name__}: its card has no classes; define classes(roots)")
        return self.card.classes
