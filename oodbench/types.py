"""Records and array types that all packages share. They are frozen and only hold data.

Nothing here imports torch or numpy, so that `oodbench --help` answers quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = [
    "ANOMALY",
    "CITYSCAPES_19",
    "IN_DISTRIBUTION",
    "MIN_PROBABILITY",
    "VOID",
    "AnomalyLabels",
    "ClassMap",
    "ClassMaps",
    "ClassSet",
    "Frame",
    "FrameSet",
    "LogitSummary",
    "MapKind",
    "MaskOutput",
    "OutputSelection",
    "RGBImage",
    "Resize",
    "ScoreMap",
    "SegmenterOutput",
    "SemanticLabels",
    "Size",
    "Window",
    "Windows",
]

RGBImage: TypeAlias = "NDArray[np.uint8]"
"""uint8 [H, W, 3], red first."""

ScoreMap: TypeAlias = "NDArray[np.float32]"
"""float32 [H, W], higher = more anomalous."""

ClassMap: TypeAlias = "NDArray[np.uint8]"
"""uint8 [H, W], the index of the predicted class in the network's class set."""

Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

Resize: TypeAlias = Literal["bilinear", "bilinear-aligned"]
"""Interpolation used to resize maps: `bilinear` with half-pixel centres, or `bilinear-aligned` with aligned corners."""

MapKind: TypeAlias = Literal["logits", "posteriors", "sums"]
"""The kind of class maps, which are the maps that a network outputs, one per class.

`logits`: the softmax of the maps gives the posteriors. `posteriors`: the maps are probabilities, which add up to one
over the classes. `sums`: the maps are unnormalised class scores. These are not negative and become posteriors when
divided by their total over the classes, so their logarithms are logits. A mask classifier such as Mask2Former outputs
`sums`: for each class, the sum over its queries of class posterior times mask. If no query covers a pixel, the total is
small."""

MIN_PROBABILITY = 2.0**-126
"""Lower bound of posteriors, applied before their logarithms are computed: the smallest normal float32 number.

It keeps the logarithms finite and makes all classes equally likely if all posteriors of a pixel are zero."""

IN_DISTRIBUTION = 0
"""Label value of a pixel that shows something the network's training covers."""

ANOMALY = 1
"""Label value of an anomalous pixel: it shows something the network's training does not cover."""

VOID = 255
"""Label value of a pixel that is neither in-distribution nor anomalous, and that most metrics ignore.

In semantic labels, it is the value of a pixel without a known class."""


@dataclass(frozen=True)
class ClassSet:
    """The classes of a network or of a dataset, in the order of their indices.

    Attributes:
        name: The name of the class set.
        names: The names of the classes; the position of a name, from 0, is the index of this class.

    Examples:
        >>> from oodbench.types import CITYSCAPES_19
        >>> CITYSCAPES_19.name, len(CITYSCAPES_19), CITYSCAPES_19.names[0]
        ('cityscapes-19', 19, 'road')
    """

    name: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


CITYSCAPES_19 = ClassSet(
    "cityscapes-19",
    (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ),
)  # fmt: skip
"""The 19 evaluated classes of Cityscapes, in the order of their train ids (cityscapesScripts, helpers/labels.py)."""


@dataclass(frozen=True)
class AnomalyLabels:
    """The anomaly labels of a frame of a benchmark.

    Attributes:
        values: uint8 [H, W]: 0 (`IN_DISTRIBUTION`), 1 (`ANOMALY`) or 255 (`VOID`, not counted by most metrics).

    Examples:
        >>> import numpy as np
        >>> from oodbench.types import ANOMALY, VOID, AnomalyLabels
        >>> labels = AnomalyLabels(np.array([[0, 1, 1], [0, 1, 255]], np.uint8))
        >>> int((labels.values == ANOMALY).sum()), int((labels.values == VOID).sum())
        (3, 1)
    """

    values: NDArray[np.uint8]


@dataclass(frozen=True)
class SemanticLabels:
    """The class of each pixel of a frame.

    Attributes:
        values: uint8 [H, W], the index of the class in `classes`; 255 (`VOID`) if the class is not known.
        classes: The class set to which the indices refer.

    Examples:
        >>> import numpy as np
        >>> from oodbench.types import CITYSCAPES_19, SemanticLabels
        >>> labels = SemanticLabels(np.array([[0, 13, 255]], np.uint8), CITYSCAPES_19)
        >>> [labels.classes.names[index] for index in labels.values[0, :2]]
        ['road', 'car']
    """

    values: NDArray[np.uint8]
    classes: ClassSet


@dataclass(frozen=True)
class Frame:
    """One image of a benchmark or dataset, with its labels if they are available.

    The pixels are loaded only when you call one of the `read_*` functions. To create a frame yourself, use functions
    that can be pickled, because frames are sent to other processes: functions at module level, `functools.partial` of
    such functions, or objects with `__call__`. They must hold paths instead of open files.

    Attributes:
        id: Stable name, unique within the benchmark or within the split of the dataset.
        group: Scene or city of the frame. Frames of one group are not statistically independent.
        read_size: Function that returns (height, width) of the image, from the file header only.
        read_image: Function that returns the image, uint8 [H, W, 3], red first.
        read_anomaly_labels: Function that returns the `AnomalyLabels`; None if the frame has none, or none that are
            public.
        read_semantic_labels: Function that returns the `SemanticLabels`; None if the frame has none.
        image_file: Path of the image; None if the frame is generated in memory.
        label_file: Path of the labels; None if the frame has none, or if they are generated in memory.
        identity: A string that changes whenever the frame changes while its files do not. For a frame on disk, it
            states the meaning of the label values; for a generated frame, the version, the seed and the index.
        synthetic: Whether a stored result is matched to the frame by `identity` and labels, and not by the image file.
            Set this if the file is generated, because pixels can differ by one grey level between machines. A frame
            without an image file is always matched by `identity` and labels.
        reader_digest: Hash of the plugin code that reads the frame, which oodbench sets. Empty for benchmarks and
            datasets of this package.

    Examples:
        >>> import oodbench
        >>> frame = oodbench.load_benchmark("streets-anomaly")[0]
        >>> frame.id, frame.read_size(), frame.image_file
        ('anomaly-0000', (512, 1024), None)
        >>> frame.read_anomaly_labels().values.shape
        (512, 1024)
    """

    id: str
    group: str
    read_size: Callable[[], Size]
    read_image: Callable[[], RGBImage]
    read_anomaly_labels: Callable[[], AnomalyLabels] | None = None
    read_semantic_labels: Callable[[], SemanticLabels] | None = None
    image_file: Path | None = None
    label_file: Path | None = None
    identity: str = ""
    synthetic: bool = False
    reader_digest: str = ""


@dataclass(frozen=True)
class FrameSet:
    """The frames of a benchmark, or of one split of a dataset, with facts about the copy that was found.

    Attributes:
        frames: The frames, in the order of the benchmark or dataset.
        layout: Name of the folder structure in which the frames were found.
        folder: Folder of the frames; None if they are generated in memory.
        expected: Number of frames of a complete copy.
        warnings: Warnings about the copy, such as missing frames.
        default: Number of frames that a run uses by default, from the first; None: all frames.

    Examples:
        >>> import oodbench
        >>> found = oodbench.load_benchmark("streets-anomaly").found
        >>> len(found.frames), found.expected, found.folder
        (250, 250, None)
    """

    frames: tuple[Frame, ...]
    layout: str
    folder: Path | None
    expected: int
    warnings: tuple[str, ...] = ()
    default: int | None = None


@dataclass(frozen=True)
class ClassMaps:
    """The class maps of a batch, one map per class, as the network outputs them.

    Attributes:
        values: float32 [N, C, h, w].
        kind: `logits`, `posteriors`, or `sums`: unnormalised class scores, which become posteriors when divided by
            their total over the classes.

    Examples:
        >>> import torch
        >>> from oodbench.types import ClassMaps
        >>> maps = ClassMaps(torch.tensor([0.75, 0.25]).reshape(1, 2, 1, 1), kind="posteriors")
        >>> [round(value, 4) for value in maps.logits.softmax(dim=1).flatten().tolist()]
        [0.75, 0.25]
    """

    values: Tensor
    kind: MapKind = "logits"

    @property
    def logits(self) -> Tensor:
        """The values if they are logits, otherwise their logarithms: float32 [N, C, h, w]."""
        return self.values if self.kind == "logits" else self.values.clamp_min(MIN_PROBABILITY).log()


class OutputSelection(Protocol):
    """The parts of a `SegmenterOutput` that a method requests; `contracts.Needs` implements this interface.

    Examples:
        >>> from oodbench.contracts import Needs
        >>> from oodbench.types import OutputSelection
        >>> selection: OutputSelection = Needs(logits=True, features=("penultimate",))
        >>> selection.logits, tuple(selection.features)
        (True, ('penultimate',))
    """

    @property
    def class_maps(self) -> bool:
        """Whether class maps of any kind are requested."""

    @property
    def logits(self) -> bool:
        """Whether class maps are requested that are logits, or whose logarithms are logits."""

    @property
    def features(self) -> Iterable[str]:
        """The names of the requested features, such as `penultimate` for the input of the last layer."""

    @property
    def extras(self) -> Iterable[str]:
        """The names of the requested additional outputs, which only some networks have."""

    @property
    def masks(self) -> bool:
        """Whether the queries of a mask classifier are requested."""


@dataclass(frozen=True)
class MaskOutput:
    """The output of a mask classifier such as Mask2Former for N images: Q queries with a class and a mask each.

    Attributes:
        class_logits: float32 [N, Q, C + 1], logits of the C classes in the order of the class set, and last the logit
            of "no object".
        mask_logits: float32 [N, Q, h, w], covering the whole image; their sigmoid is the probability that a pixel is in
            the mask. `numerics.mask_bands` resizes them, some rows at a time.
        queries: float32 [N, Q, D], the embeddings from which the class logits are computed; None if not available.

    Examples:
        >>> import torch
        >>> from oodbench.types import MaskOutput
        >>> masks = MaskOutput(class_logits=torch.zeros(1, 5, 20), mask_logits=torch.zeros(1, 5, 4, 6))
        >>> list(masks.class_logits.softmax(dim=2).shape), list(masks.mask_logits.sigmoid().shape)
        ([1, 5, 20], [1, 5, 4, 6])
    """

    class_logits: Tensor
    mask_logits: Tensor
    queries: Tensor | None = None


@dataclass(frozen=True)
class SegmenterOutput:
    """The output of a network's forward pass for a batch of N images.

    Attributes:
        class_maps: The class maps (one map per class); None if they were not requested.
        features: Maps the name of each requested feature to float32 [N, D, h, w]. The name `penultimate` is the input
            of the last layer.
        extras: Maps the name of each requested additional output, which only some networks have, to float32
            [N, ?, h, w].
        windows: The output for each window, if the network processed the images in sliding windows. `class_maps`,
            `features` and `extras` are then averages over the windows. None: the network processed whole images.
        masks: The queries of a mask classifier; None if they were not requested. If there are windows, `masks` is None,
            and the output of each window has its own queries.

    Examples:
        >>> import torch
        >>> from oodbench.contracts import Needs
        >>> from oodbench.types import ClassMaps, SegmenterOutput
        >>> output = SegmenterOutput(ClassMaps(torch.zeros(1, 19, 4, 6)), {"penultimate": torch.zeros(1, 8, 4, 6)})
        >>> output.select(Needs(features=("penultimate",))).class_maps is None
        True
    """

    class_maps: ClassMaps | None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    windows: Windows | None = None
    masks: MaskOutput | None = None

    def select(self, needs: OutputSelection) -> SegmenterOutput:
        """Return an output with only the requested parts, also inside the windows.

        Args:
            needs: The requested parts, usually the `contracts.Needs` of a method.

        Raises:
            KeyError: `features` or `extras` lacks a requested name.
        """
        return SegmenterOutput(
            self.class_maps if needs.class_maps or needs.logits else None,
            {role: self.features[role] for role in needs.features},
            {name: self.extras[name] for name in needs.extras},
            self.windows and self.windows.select(needs),
            self.masks if needs.masks else None,
        )


@dataclass(frozen=True)
class Window:
    """A rectangle of the images that the network processed separately, with the network's output for this rectangle.

    Positions and sizes are in pixels at the input resolution of the network.

    Attributes:
        top: Row of the upper edge.
        left: Column of the left edge.
        height: Height of the rectangle.
        width: Width of the rectangle.
        output: The network's output for the rectangle.

    Examples:
        >>> from oodbench.types import SegmenterOutput, Window
        >>> window = Window(top=0, left=512, height=512, width=512, output=SegmenterOutput(None))
        >>> window.left + window.width
        1024
    """

    top: int
    left: int
    height: int
    width: int
    output: SegmenterOutput


@dataclass(frozen=True)
class Windows:
    """The sliding windows (rectangles) that together cover images of one size.

    Attributes:
        size: (height, width) of the images at the input resolution of the network. A window can extend beyond this
            size; it then contains padding.
        parts: The windows.

    Examples:
        >>> from oodbench.types import SegmenterOutput, Window, Windows
        >>> parts = tuple(Window(0, left, 512, 512, SegmenterOutput(None)) for left in (0, 256, 512))
        >>> windows = Windows((512, 1024), parts)
        >>> [part.left for part in windows.parts]
        [0, 256, 512]
    """

    size: Size
    parts: tuple[Window, ...]

    def select(self, needs: OutputSelection) -> Windows:
        """Return the windows with only the requested parts of their outputs.

        Args:
            needs: The requested parts, usually the `contracts.Needs` of a method.

        Raises:
            KeyError: `features` or `extras` of a window lacks a requested name.
        """
        return Windows(self.size, tuple(replace(part, output=part.output.select(needs)) for part in self.parts))


@dataclass(frozen=True)
class LogitSummary:
    """Values of each pixel from which common scores (MSP, entropy, energy) are computed without loss of precision.

    Let l be the logits of a pixel, one per class, and b the largest of them.

    Attributes:
        best: float32 [h, w], the largest logit b.
        others: float32 [h, w], the sum of exp(l - b) over the other classes. The largest posterior is 1 / (1 + others).
        shortfall: float32 [h, w], the sum of (b - l) exp(l - b) over the classes.
        prediction: uint8 [h, w], the index of the largest logit; of equal logits, the first.

    Examples:
        >>> import torch
        >>> from oodbench.numerics import summarise
        >>> summary = summarise(torch.tensor([2.0, 0.0, 0.0]).reshape(3, 1, 1))
        >>> round(1 / (1 + summary.others.item()), 4), summary.prediction.item()  # the largest posterior and its class
        (0.787, 0)
    """

    best: Tensor
    others: Tensor
    shortfall: Tensor
    prediction: Tensor
