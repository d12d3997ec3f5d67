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
"""Interpolation used to resize maps; `contracts.Scoring` describes each kind."""

MapKind: TypeAlias = Literal["logits", "posteriors", "sums"]
"""The kind of class maps.

`logits`: their softmax gives the posteriors. `posteriors`: they sum to one over the classes. `sums`: unnormalised class
scores, which are not negative; divided by their total over the classes they give the posteriors. A mask classifier
outputs `sums`: over its queries, class posterior times mask. Their logarithms are logits. If no query covers a pixel,
their total is small."""

MIN_PROBABILITY = 2.0**-126
"""Lower bound for posteriors before taking logarithms (float32's smallest normal number). It keeps the logarithm finite
and makes all classes equally likely if all posteriors are zero."""

IN_DISTRIBUTION = 0
"""Label value of a pixel that shows something the network's training covers."""

ANOMALY = 1
"""Label value of an anomalous pixel."""

VOID = 255
"""Label value of a pixel that most protocols ignore; in semantic labels, a pixel without a known class."""


@dataclass(frozen=True)
class ClassSet:
    """The classes of a network or of a dataset, in the order of their indices.

    Attributes:
        name: The public name of the class set.
        names: The names of the classes; the position of a name is the index of its class, from 0.

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
"""The 19 evaluated classes of Cityscapes in trainId order (cityscapesScripts, helpers/labels.py)."""


@dataclass(frozen=True)
class AnomalyLabels:
    """The anomaly labels of a benchmark frame.

    Attributes:
        values: uint8 [H, W] of `IN_DISTRIBUTION`, `ANOMALY` and `VOID`.

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
    """The class of each pixel of a dataset frame.

    Attributes:
        values: uint8 [H, W], an index into `classes` or `VOID`.
        classes: The class set that the indices refer to.

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

    Pixels are loaded only when a reader is called. Readers can be pickled, so that a frame can be sent to
    another process. They are functions at module level, `functools.partial` of them, or objects with `__call__`, and
    they hold paths instead of open files.

    Attributes:
        id: Stable name, unique within its set.
        group: Scene or city of the frame. Frames of one group are not statistically independent.
        read_size: Returns (height, width) of the image, from the file header only.
        read_image: Returns the image.
        read_anomaly_labels: Returns anomaly labels. None if there are none (hidden tests, plain photographs).
        read_semantic_labels: Returns semantic labels. None if there are none.
        image_file: Path of the image. None if the frame is generated in memory.
        label_file: Path of the labels. None if there are none or they are generated in memory.
        identity: Everything except the file contents that affects the decoded frame: the label rule of a frame on
            disk; version, seed and index of a generated one.
        synthetic: Whether `identity` and the labels identify the frame, instead of its pixels, which can differ by one
            grey level between machines. A frame without an image file is always identified in this way.
        reader_digest: Digest of the plugin code that reads the frame, set by the registry. Empty for benchmarks and
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
    """The frames of a benchmark or of one split of a dataset.

    Attributes:
        frames: Frames in the order of the benchmark or dataset.
        layout: Name of the recognised folder layout.
        folder: Folder of the frames; None if they are generated in memory.
        expected: Number of frames of the complete set.
        warnings: Warnings about this copy.
        default: Number of frames, from the first, that a run uses by default; None for all.

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
        kind: Relation of the values to posteriors; see `MapKind`.

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
    """The parts of a `SegmenterOutput` that are requested; `contracts.Needs` implements it.

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
        """The roles of the requested features."""

    @property
    def extras(self) -> Iterable[str]:
        """The names of the requested extras."""

    @property
    def masks(self) -> bool:
        """Whether the queries of a mask classifier are requested."""


@dataclass(frozen=True)
class MaskOutput:
    """The Q queries that a mask classifier predicts for a batch of N images.

    Attributes:
        class_logits: float32 [N, Q, C + 1], unnormalised, in the order of the class set; the last is "no object".
        mask_logits: float32 [N, Q, h, w], unnormalised; the sigmoid is the probability that a pixel is in the mask.
            They span the whole image. `numerics.mask_bands` resizes them in bands of rows.
        queries: float32 [N, Q, D], the embeddings that the class logits are computed from, or None.

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
    """The output of one forward pass for a batch of N images.

    Attributes:
        class_maps: The class maps; None if they were not requested.
        features: float32 [N, D, h, w] by role, for the requested roles.
        extras: float32 [N, ?, h, w] by name, for the requested names: additional outputs of some heads.
        windows: The output of each window if the network processed the images in windows; the maps above are then
            averages over the windows. None: it processed the whole images.
        masks: The queries of a mask classifier; None if they were not requested. With windows, each window has its
            own queries and the whole image has None.

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
        """Return only the requested parts, also inside the windows.

        Args:
            needs: The selection, usually the `contracts.Needs` of a method.

        Raises:
            KeyError: The features or extras lack a name that `needs` asks for.
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
    """A part of the images and the network's output for it.

    Attributes:
        top: Row of its upper edge, in pixels at the input resolution of the network.
        left: Column of its left edge, in the same pixels.
        height: Height in the same pixels.
        width: Width in the same pixels.
        output: The network's output for this part.

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
    """The windows that together cover images of one size.

    Attributes:
        size: (height, width) of the images at the input resolution of the network; the part of a window outside this
            size is padding.
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
            needs: The selection, usually the `contracts.Needs` of a method.

        Raises:
            KeyError: The features or extras of a window lack a name that `needs` asks for.
        """
        return Windows(self.size, tuple(replace(part, output=part.output.select(needs)) for part in self.parts))


@dataclass(frozen=True)
class LogitSummary:
    """Summary of a pixel's C logits l from which the common scores are computed without loss of precision.

    Each map is [h, w]; all but the prediction are float32. With b the largest logit of a pixel:

    Attributes:
        best: b.
        others: The sum over the other classes of exp(l - b). The largest posterior is 1 / (1 + others).
        shortfall: The sum over the classes of (b - l) exp(l - b).
        prediction: uint8, the index of the largest logit (the first of equal ones).

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
