"""The shared nouns. Frozen records, no behaviour beyond reading.

Nothing here imports torch or numpy, which `oodbench --help` must not wait for.
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

RGBImage: TypeAlias = "NDArray[np.uint8]"
"""uint8 [H, W, 3], red first."""

ScoreMap: TypeAlias = "NDArray[np.float32]"
"""float32 [H, W], higher = more anomalous."""

ClassMap: TypeAlias = "NDArray[np.uint8]"
"""uint8 [H, W], the index of the predicted class in the network's class set."""

Size: TypeAlias = tuple[int, int]
"""(height, width) in pixels."""

Resize: TypeAlias = Literal["bilinear", "bilinear-aligned"]
"""How maps come to another size; contracts.Scoring says what each is."""

MapKind: TypeAlias = Literal["logits", "posteriors", "sums"]
"""What class maps are.

`logits`: their softmax is the posteriors. `posteriors`: they add up to one over the classes. `sums`: none is negative,
and divided by their total over the classes they are the posteriors. A mask classifier gives sums, over its queries of
class posterior times mask. Their logarithms are logits, and where no query claims a pixel their total is small."""

MIN_PROBABILITY = 2.0**-126
"""What a map that is no logit counts as at the least, float32's smallest normal number: its logarithm is finite, and
where all are zero the classes are as likely."""

IN_DISTRIBUTION = 0
ANOMALY = 1
VOID = 255


@dataclass(frozen=True)
class ClassSet:
    """The classes of a network or of a dataset, in the order of their indices."""

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
    """What each pixel of a benchmark frame is.

    Attributes:
        values: uint8 [H, W] of `IN_DISTRIBUTION`, `ANOMALY` and `VOID`.
    """

    values: NDArray[np.uint8]


@dataclass(frozen=True)
class SemanticLabels:
    """The class of each pixel of a dataset frame.

    Attributes:
        values: uint8 [H, W], an index into `classes` or `VOID`.
        classes: the class set that the indices refer to.
    """

    values: NDArray[np.uint8]
    classes: ClassSet


@dataclass(frozen=True)
class Frame:
    """One image of a benchmark or dataset, with its labels if they are available.

    Pixels are loaded when a reader is called, and not before. Readers can be pickled, so that a frame can be sent to
    another process: they are functions at module level, `functools.partial` of them, or objects with `__call__`, and
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
        identity: Everything besides the file contents that affects the decoded frame: the label rule of a frame on
            disk; version, seed and index of a generated one.
        synthetic: Whether `identity` and the labels identify the frame, instead of its pixels, which can differ by one
            grey level between machines. A frame without an image file is always identified in this way.
        reader_digest: Digest of the plugin code that reads the frame, set by the registry. Empty for benchmarks and
            datasets of this package.
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
    """

    frames: tuple[Frame, ...]
    layout: str
    folder: Path | None
    expected: int
    warnings: tuple[str, ...] = ()
    default: int | None = None


@dataclass(frozen=True)
class ClassMaps:
    """One map a class, as the network gives them.

    Attributes:
        values: float32 [N, C, h, w].
        kind: how they stand for posteriors; see `MapKind`.
    """

    values: Tensor
    kind: MapKind = "logits"

    @property
    def logits(self) -> Tensor:
        """float32 [N, C, h, w]: the values, or the logarithms of values that are no logits."""
        return self.values if self.kind == "logits" else self.values.clamp_min(MIN_PROBABILITY).log()


class OutputSelection(Protocol):
    """The parts of a `SegmenterOutput` that are wanted; `contracts.Needs` is one."""

    @property
    def class_maps(self) -> bool:
        """Class maps of any kind."""

    @property
    def logits(self) -> bool:
        """Class maps that are logits, or whose logarithms are."""

    @property
    def features(self) -> Iterable[str]:
        """Features by role."""

    @property
    def extras(self) -> Iterable[str]:
        """Extras by name."""

    @property
    def masks(self) -> bool:
        """The queries of a mask classifier."""


@dataclass(frozen=True)
class MaskOutput:
    """The Q queries that a mask classifier predicts for a batch of N images.

    Attributes:
        class_logits: float32 [N, Q, C + 1], unnormalised, in the order of the class set; the last is "no object".
        mask_logits: float32 [N, Q, h, w], unnormalised; the sigmoid is the probability that a pixel is in the mask.
            They span the whole image. `numerics.mask_bands` resizes them in bands of rows.
        queries: float32 [N, Q, D], the embeddings that the class logits are computed from, or None.
    """

    class_logits: Tensor
    mask_logits: Tensor
    queries: Tensor | None = None


@dataclass(frozen=True)
class SegmenterOutput:
    """The output of one forward pass for a batch of N images.

    Attributes:
        class_maps: The class maps, or None if they were not asked for.
        features: float32 [N, D, h, w] by role, those that were asked for.
        extras: float32 [N, ?, h, w] by name, those that were asked for: outputs of some heads next to class maps.
        windows: The output of each window, if the network looked at the images through windows; the maps above are
            then averages over the windows. None: it looked at the whole images.
        masks: The queries of a mask classifier, or None if they were not asked for. With windows each window has its
            own queries, and the whole has None.
    """

    class_maps: ClassMaps | None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    windows: Windows | None = None
    masks: MaskOutput | None = None

    def select(self, needs: OutputSelection) -> SegmenterOutput:
        """Return only the parts that `needs` asks for, inside the windows too.

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
    """A part of the images, in pixels of them as the network takes them, and what the network gave for it."""

    top: int
    left: int
    height: int
    width: int
    output: SegmenterOutput


@dataclass(frozen=True)
class Windows:
    """Windows that together cover images of one size.

    Attributes:
        size: (height, width) of the images as the network takes them; what of a window lies beyond it is padding.
        parts: the windows.
    """

    size: Size
    parts: tuple[Window, ...]

    def select(self, needs: OutputSelection) -> Windows:
        """Return the windows with only the parts of their outputs that `needs` asks for."""
        return Windows(self.size, tuple(replace(part, output=part.output.select(needs)) for part in self.parts))


@dataclass(frozen=True)
class LogitSummary:
    """What the common scores need to know of a pixel's C logits l, in a form that loses no digits.

    With b the largest logit, in each pixel:

    Attributes:
        best: b.
        others: the sum over the other classes of exp(l - b). The largest posterior is 1 / (1 + others).
        shortfall: the sum over the classes of (b - l) exp(l - b).
        prediction: uint8, the index of the largest logit (the first of equal ones).

    Each is [h, w]; all but the prediction are float32.
    """

    best: Tensor
    others: Tensor
    shortfall: Tensor
    prediction: Tensor
