"""Model cards: TOML files that describe a network's preprocessing, classes and outputs."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import (
    BaseModel,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from oodbench.class_sets import CLASS_SETS
from oodbench.errors import ModelError, UnknownNameError
from oodbench.files import read_text
from oodbench.frozen_record import FrozenRecord
from oodbench.text import Name, OptionalLabel
from oodbench.types import ClassSet, MapKind, RGBImage, Size
from oodbench.validation import explain

_Divisor = Annotated[FiniteFloat, Field(gt=0)]
Layout = Literal["nchw", "nhwc"]
"""Order of the axes of a batch: `nchw` is [N, channels, height, width], `nhwc` is [N, height, width, channels]."""


class Preprocessing(FrozenRecord):
    """The steps from an image to the network's input, in this order: resize, channel order, division, mean and std."""

    name: str | None = Field(None, description="name of the network's input; optional if the network has one input")
    size: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="input size [height, width]; by default that of the image"
    )
    resize: Literal["bilinear", "nearest", "bicubic", "area", "bilinear-antialias"] = Field(
        "bilinear",
        description="interpolation as in OpenCV, without antialiasing except for area; bilinear-antialias as in Pillow",
    )
    channels: Literal["rgb", "bgr"] = Field(description="channel order")
    divide_by: float = Field(
        gt=0, allow_inf_nan=False, description="divisor of the pixel values 0..255; 1 leaves them unchanged"
    )
    mean: tuple[FiniteFloat, FiniteFloat, FiniteFloat] = Field(
        (0.0, 0.0, 0.0), description="subtracted after the division"
    )
    std: tuple[_Divisor, _Divisor, _Divisor] = Field(
        (1.0, 1.0, 1.0), description="divisor after the mean is subtracted"
    )
    multiple_of: PositiveInt = Field(
        1,
        description="number of which the sides of the network's input are a multiple; the last row and column are "
        "repeated up to it, and the maps are cut back",
    )

    @field_validator("multiple_of", mode="before")
    @classmethod
    def _check_multiple(cls, value: object) -> object:
        if not isinstance(value, int) or value < 1:
            raise ValueError("expected 1 or more, one number for both sides")
        return value

    def apply(self, image: RGBImage) -> NDArray[np.float32]:
        """Return the network's input float32 [3, h, w] for an image uint8 [H, W, 3], red first."""
        if self.size is not None and image.shape[:2] != self.size:
            image = _resize(image, self.size, self.resize)
        if self.channels == "bgr":
            image = image[:, :, ::-1]
        x = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)  # [3, h, w]
        x /= np.float32(self.divide_by)
        if any(self.mean):
            x -= np.array(self.mean, np.float32)[:, None, None]
        if any(value != 1.0 for value in self.std):
            x /= np.array(self.std, np.float32)[:, None, None]
        return x


_OPENCV_FILTERS = {
    "bilinear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}


def _resize(image: RGBImage, size: tuple[int, int], interpolation: str) -> RGBImage:
    height, width = size
    if interpolation == "bilinear-antialias":
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(cv2.resize(image, (width, height), interpolation=_OPENCV_FILTERS[interpolation]), np.uint8)


class Classes(FrozenRecord):
    """The class set, and the order of the network's class maps if it differs from that of the set."""

    set: str = Field(description="name of a class set of oodbench")
    order: tuple[str, ...] | None = Field(
        None, description="class names in the order of the network's class maps; by default that of the class set"
    )

    def resolve(self, where: str = "") -> tuple[ClassSet, tuple[int, ...] | None]:
        """Return the class set, and for each of its classes the index of the network's class map.

        Args:
            where: The file of the model card, for errors; empty if there is none.

        Returns:
            The class set and the indices; None instead of the indices if the order is that of the class set.

        Raises:
            UnknownNameError: There is no such class set.
            ModelError: The names are not those of the class set.
        """
        if self.set not in CLASS_SETS:
            raise UnknownNameError("class set", self.set, CLASS_SETS, where=f"{where}: classes.set" if where else "")
        classes = CLASS_SETS[self.set]
        if self.order is None or self.order == classes.names:
            return classes, None
        if sorted(self.order) != sorted(classes.names):
            different = sorted(set(self.order) ^ set(classes.names))
            raise ModelError(
                f"{where}{': ' if where else ''}classes.order is not a reordering of {classes.name}: "
                f"{', '.join(different) or 'it contains a name twice'}",
                "List each class of the class set once, in the order of the network's class maps.",
            )
        return classes, tuple(self.order.index(name) for name in classes.names)


class ExportedInput(Preprocessing):
    """The preprocessing of an exported network, and the layout of its input."""

    layout: Layout | None = Field(
        None, description="order of the axes of the input; by default found by the axis with three channels"
    )


class ExportedClasses(Classes):
    """The class set of an exported network, and the class maps that belong to none of its classes."""

    ignore: tuple[NonNegativeInt, ...] = Field(
        (), description="indices, from 0, of the network's class maps that belong to no class, such as void"
    )

    def find_kept(self) -> tuple[int, ...] | None:
        """Return the indices of the class maps that are kept; None if all of them are kept.

        Raises:
            UnknownNameError: There is no such class set.
            ModelError: The network has no class map with an ignored index, or an index is listed twice.
        """
        if not self.ignore:
            return None
        classes, _ = self.resolve()
        count = len(classes) + len(self.ignore)
        if len(set(self.ignore)) != len(self.ignore) or max(self.ignore) >= count:
            raise ModelError(
                f"classes.ignore is {list(self.ignore)}; expected different indices from 0 to {count - 1}, because the "
                f"network has {len(classes)} class maps for {classes.name} and {len(self.ignore)} that are ignored",
                "List the index of each class map that belongs to no class once.",
            )
        return tuple(index for index in range(count) if index not in self.ignore)


class Outputs(FrozenRecord):
    """The names of the network's outputs."""

    layout: Layout | None = Field(
        None, description="order of the axes of the outputs; by default found by the number of class maps"
    )
    class_maps: str | None = Field(None, description="name of the output [N, C, h, w] with one class map per class")
    class_maps_are: MapKind = Field(
        "logits", description="kind of the class maps: logits, posteriors or sums (unnormalised class scores)"
    )
    features: dict[str, str] = Field(
        default_factory=dict,
        description="name of the output [N, D, h, w] of each role; 'penultimate' is the input of the classifier",
    )


class ModuleOutputs(FrozenRecord):
    """The locations of a torch module's outputs."""

    class_maps: str | int | None = Field(
        None,
        description="key, attribute or index of the class maps in the module's output; by default the tensor that the "
        "module returns, or the only tensor under 'out' or 'logits'",
    )
    class_maps_are: MapKind = Field(
        "logits", description="kind of the class maps: logits, posteriors or sums (unnormalised class scores)"
    )
    features: dict[str, str] = Field(
        default_factory=dict,
        description="layer of each role whose output [N, D, h, w] is used, or 'input of LAYER'",
    )
    classifier: str | None = Field(
        None, description="name of the last layer, a 1x1 Conv2d or a Linear; its input is the role 'penultimate'"
    )


class WindowsSection(FrozenRecord):
    """Sliding windows, in pixels of the prepared image."""

    size: tuple[int, int] = Field(description="size [height, width] of a window")
    stride: tuple[int, int] = Field(description="distance [height, width] between neighbouring windows")

    @model_validator(mode="after")
    def _check_stride(self) -> Self:
        if not leave_no_gaps(self.size, self.stride):
            raise ValueError(
                "expected a stride from 1 to the size, which leaves no gaps, for example size = [768, 768] and "
                "stride = [512, 512]"
            )
        return self


def leave_no_gaps(size: Size, stride: Size) -> bool:
    """Return whether windows of this size and stride, each (height, width), cover every pixel of an image."""
    return all(0 < step <= side for side, step in zip(size, stride, strict=True))


class ExpectedQuality(FrozenRecord):
    """The expected quality on labelled in-distribution frames, as fractions.

    A run warns if the measured quality differs from it by much.
    """

    miou: float | None = Field(None, ge=0, le=1)
    mean_confidence: float | None = Field(None, ge=0, le=1, description="mean of the largest posterior")


class ModelCard(FrozenRecord):
    """The model card of an exported network."""

    name: Name = Field(description="name in tables")
    source: str = Field("", description="origin of the network; informative only")
    licence: str = Field("", description="licence of the network; informative only")
    input: ExportedInput
    classes: ExportedClasses
    outputs: Outputs
    windows: WindowsSection | None = Field(None, description="sliding windows; by default the whole image at once")
    expected: ExpectedQuality = ExpectedQuality()


class ModuleCard(FrozenRecord):
    """The model card of a torch module, as `CARD` in its Python file or as a TOML file next to it."""

    name: Name | None = Field(None, description="name in tables; by default that of the file")
    source: str = Field("", description="origin of the network; informative only")
    licence: str = Field("", description="licence of the network; informative only")
    trained_on: OptionalLabel = Field("", description="name of the training dataset")
    input: Preprocessing
    classes: Classes
    outputs: ModuleOutputs = ModuleOutputs()
    windows: WindowsSection | None = Field(None, description="sliding windows; by default the whole image at once")
    expected: ExpectedQuality = ExpectedQuality()


class PartialCard(FrozenRecord):
    """The optional model card of a network that describes itself. All of its fields are optional, too."""

    name: Name | None = None
    trained_on: OptionalLabel = ""
    input: Preprocessing | None = None
    classes: Classes | None = None
    expected: ExpectedQuality = ExpectedQuality()


# Fields that do not change the output while they have these values. Digests omit them, because older versions computed
# digests without them.
_NEUTRAL: Mapping[str, Any] = {"multiple_of": 1, "layout": None, "ignore": [], "windows": None}


def identify_settings(record: FrozenRecord, exclude: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of a record for the digest of a network.

    Args:
        record: A model card or a section of one.
        exclude: Names of fields of the record that do not change the network's output.
    """
    return _omit_neutral(record.model_dump(mode="json", exclude=set(exclude)))


def _omit_neutral(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _omit_neutral(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if key not in _NEUTRAL or value != _NEUTRAL[key]
    }


def find_class_set(names: Sequence[str]) -> Classes | None:
    """Return the class set that has these names, or None if there is none.

    Args:
        names: The class names, in any order. Case is ignored, and '-' and '_' count as spaces.
    """

    def normalise(name: str) -> str:
        return " ".join(name.lower().replace("_", " ").replace("-", " ").split())

    for class_set in CLASS_SETS.values():
        spelling = {normalise(name): name for name in class_set.names}
        if {normalise(name) for name in names} == set(spelling) and len(names) == len(class_set):
            return Classes(set=class_set.name, order=tuple(spelling[normalise(name)] for name in names))
    return None


def require_class_set(names: Sequence[str], where: Path) -> Classes:
    """Return the class set that has these names, and raise if there is none.

    Args:
        names: The class names, as in `find_class_set`.
        where: The file that contains the names, for the error.

    Raises:
        ModelError: No class set has these names.
    """
    classes = find_class_set(names)
    if classes is None:
        raise ModelError(
            f"{where}: its {len(names)} classes ({', '.join(names[:3])}, ...) are not those of a class set; expected "
            f"one of {', '.join(CLASS_SETS)}",
            "If only the names differ, name the class set in a model card: [classes] set = ..., order = [...].",
        )
    return classes


EXAMPLE_CARD = """\
name = "My network"

[input]
channels = "rgb"
divide_by = 255
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[classes]
set = "cityscapes-19"

[outputs]
class_maps = "logits"
"""
"""A small model card, which errors about a missing card print."""


def example_sections(*names: str) -> str:
    """Return sections of a small model card, for errors about a card that lacks them.

    Args:
        names: The names of the sections, in the order in which they are returned.
    """
    sections = {part.partition("]")[0].strip("["): part.rstrip() for part in EXAMPLE_CARD.split("\n\n")}
    return "\n\n".join(sections[name] for name in names)


Card = TypeVar("Card", bound=BaseModel)


def read_card(path: Path) -> ModelCard:
    """Read the model card of an exported network.

    Args:
        path: The TOML file.

    Raises:
        ModelError: The card can't be read or is not valid, as in `read_toml`.
    """
    sections = (ModelCard, ExportedInput, ExportedClasses, Outputs, WindowsSection)
    known = tuple(name for section in sections for name in section.model_fields)
    remedy = (
        "Write this file, or give another one with --model-card. Adapt the preprocessing, the class set and the "
        f"outputs to the network:\n\n{EXAMPLE_CARD}"
    )
    return read_toml(path, ModelCard, remedy, known)


def read_toml(path: Path, kind: type[Card], where_from: str, known: tuple[str, ...] = ()) -> Card:
    """Read and validate a model card.

    Args:
        path: The TOML file.
        kind: The class of the model card.
        where_from: The remedy in the error if the file is missing.
        known: Field names to suggest for an unknown field.

    Raises:
        ModelError: The file is missing or not TOML, or a field is unknown, missing or of the wrong type.
    """
    try:
        content = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model card", where_from) from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})", "Correct the file.") from None
    return check_card(content, kind, str(path), known)


def check_card(content: object, kind: type[Card], where: str, known: tuple[str, ...] = ()) -> Card:
    """Validate the content of a model card.

    Args:
        content: The content of the file.
        kind: The class of the model card.
        where: The file, for the error.
        known: Field names to suggest for an unknown field.

    Raises:
        ModelError: A field is unknown, missing or of the wrong type.
        UnknownNameError: There is no such class set.
    """
    try:
        card = kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(explain(error, known))
        raise ModelError(
            f"{where}: {problems}", "Correct the model card; docs/reference/models.md describes each field."
        ) from None
    classes = getattr(card, "classes", None)
    if isinstance(classes, Classes):
        classes.resolve(where)
    return card
