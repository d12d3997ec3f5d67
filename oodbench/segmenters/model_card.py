"""The TOML file that says what an exported network can't: preprocessing, classes, which output is what."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from oodbench.class_sets import CLASS_SETS
from oodbench.errors import ModelError, UnknownNameError
from oodbench.types import ClassSet, MapKind, RGBImage
from oodbench.validation import explain


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Preprocessing(_Section):
    """From a photograph to the network's input, in this order: resize, channel order, division, mean and std."""

    name: str | None = Field(None, description="the network's input; may be left out where it has just one")
    size: tuple[int, int] | None = Field(None, description="[height, width]; left out: as the image is")
    resize: Literal["bilinear", "nearest", "bicubic", "area", "bilinear-antialias"] = Field(
        "bilinear",
        description="without antialiasing, as OpenCV does, but for area and for bilinear-antialias (Pillow's)",
    )
    channels: Literal["rgb", "bgr"] = Field(description="channel order")
    divide_by: float = Field(gt=0, description="pixel values 0..255 are divided by this; 1 leaves them")
    mean: tuple[float, float, float] = Field((0.0, 0.0, 0.0), description="subtracted after the division")
    std: tuple[float, float, float] = Field((1.0, 1.0, 1.0), description="divided by, after the mean")

    def apply(self, image: RGBImage) -> NDArray[np.float32]:
        """uint8 [H, W, 3] -> float32 [3, h, w]."""
        if self.size is not None and image.shape[:2] != self.size:
            image = _resized(image, self.size, self.resize)
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


def _resized(image: RGBImage, size: tuple[int, int], how: str) -> RGBImage:
    height, width = size
    if how == "bilinear-antialias":
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(cv2.resize(image, (width, height), interpolation=_OPENCV_FILTERS[how]), np.uint8)


class Classes(_Section):
    """The class set, and the order of the network's class maps where it is another than the set's."""

    set: str = Field(description="name of a class set that oodbench knows")
    order: tuple[str, ...] | None = Field(None, description="class names in the order of the network's maps")

    def resolve(self) -> tuple[ClassSet, tuple[int, ...] | None]:
        """The class set, and for each of its classes the network's map (None: the order is the set's)."""
        if self.set not in CLASS_SETS:
            raise UnknownNameError("class set", self.set, CLASS_SETS)
        classes = CLASS_SETS[self.set]
        if self.order is None or self.order == classes.names:
            return classes, None
        if sorted(self.order) != sorted(classes.names):
            strange = sorted(set(self.order) ^ set(classes.names))
            raise ModelError(
                f"classes.order is no reordering of {classes.name}: {', '.join(strange) or 'a name is there twice'}"
            )
        return classes, tuple(self.order.index(name) for name in classes.names)


class Outputs(_Section):
    """Which output of the network is what."""

    class_maps: str | None = Field(None, description="the output [N, C, h, w] with one map a class")
    class_maps_are: MapKind = Field("logits", description="logits, posteriors or sums")
    features: dict[str, str] = Field(
        default_factory=dict,
        description="role -> the output [N, D, h, w]; 'penultimate' is what the classifier reads",
    )


class ModuleOutputs(_Section):
    """Where the outputs of a torch module are."""

    class_maps: str | int | None = Field(
        None,
        description="key, attribute or index of the class maps in what the module returns; left out: the tensor that "
        "it returns, or the only one under 'out' or 'logits'",
    )
    class_maps_are: MapKind = Field("logits", description="logits, posteriors or sums")
    features: dict[str, str] = Field(
        default_factory=dict,
        description="role -> the layer whose output [N, D, h, w] it is, or 'input of LAYER'",
    )
    classifier: str | None = Field(
        None, description="the last layer, a 1x1 Conv2d or a Linear; its input is then 'penultimate'"
    )


class WindowsSection(_Section):
    """Sliding windows, in pixels of the prepared image."""

    size: tuple[int, int] = Field(description="[height, width] of a window")
    stride: tuple[int, int] = Field(description="[height, width] from one window to the next")


class ExpectedQuality(_Section):
    """What the network reaches on labelled in-distribution frames, as fractions; a run warns when it is far off."""

    miou: float | None = Field(None, ge=0, le=1)
    mean_confidence: float | None = Field(None, ge=0, le=1, description="mean of the largest posterior")


class ModelCard(_Section):
    """The whole file."""

    name: str = Field(description="the name in tables", min_length=1)
    source: str = Field("", description="where the network comes from, for the reader")
    licence: str = Field("", description="for the reader")
    input: Preprocessing
    classes: Classes
    outputs: Outputs
    expected: ExpectedQuality = ExpectedQuality()


class ModuleCard(_Section):
    """The model card of a torch module: in its Python file, as `CARD`, or beside it, as TOML."""

    name: str | None = Field(None, description="the name in tables; left out: the file's", min_length=1)
    source: str = Field("", description="where the network comes from, for the reader")
    licence: str = Field("", description="for the reader")
    trained_on: str = Field("", description="the dataset that it was trained on")
    input: Preprocessing
    classes: Classes
    outputs: ModuleOutputs = ModuleOutputs()
    windows: WindowsSection | None = Field(None, description="sliding windows; left out: the whole image")
    expected: ExpectedQuality = ExpectedQuality()


class PartialCard(_Section):
    """The model card of a network that says itself what it is: it may be left out, and each of its fields with it."""

    name: str | None = None
    trained_on: str = ""
    input: Preprocessing | None = None
    classes: Classes | None = None
    expected: ExpectedQuality = ExpectedQuality()


def find_class_set(names: Sequence[str]) -> Classes | None:
    """Return the class set with these names, in any order and spelling of case, '-' and '_'; None: there is none."""

    def plain(name: str) -> str:
        return " ".join(name.lower().replace("_", " ").replace("-", " ").split())

    for known in CLASS_SETS.values():
        spelled = {plain(name): name for name in known.names}
        if {plain(name) for name in names} == set(spelled) and len(names) == len(known):
            return Classes(set=known.name, order=tuple(spelled[plain(name)] for name in names))
    return None


def classes_named(names: Sequence[str], where: Path) -> Classes:
    """Return the class set with these names, as `find_class_set` does.

    Raises:
        ModelError: there is none; `where` is the file that has the names.
    """
    found = find_class_set(names)
    if found is None:
        raise ModelError(
            f"{where}: its {len(names)} classes ({', '.join(names[:3])}, ...) are of no known class set; "
            f"known: {', '.join(CLASS_SETS)}",
            "Where the names are others, say the set in a model card: [classes] set = ..., order = [...].",
        )
    return found


Card = TypeVar("Card", bound=BaseModel)


def read_card(path: Path) -> ModelCard:
    """The model card of an exported network; raises as `read_toml`."""
    known = (*ModelCard.model_fields, *Preprocessing.model_fields, *Outputs.model_fields, *Classes.model_fields)
    return read_toml(
        path,
        ModelCard,
        "A TOML file beside the network says what its outputs are and how images are prepared: copy "
        "docs/examples/erfnet-cityscapes.toml and change it, or name another file with --model-card.",
        known,
    )


def read_toml(path: Path, kind: type[Card], where_from: str, known: tuple[str, ...] = ()) -> Card:
    """Read and check a model card of either kind.

    Args:
        path: of the file.
        kind: what it has to be.
        where_from: what to do where there is none.
        known: names that an unknown field may have been meant for.

    Raises:
        ModelError: the file is missing, is no TOML, or a field is unknown, missing or of the wrong type.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model card", where_from) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelError(f"{path}: not a readable TOML file ({error})") from None
    return check_card(content, kind, str(path), known)


def check_card(content: object, kind: type[Card], where: str, known: tuple[str, ...] = ()) -> Card:
    """Return the model card with this content.

    Raises:
        ModelError: A field is unknown, missing or of the wrong type; `where` is the file that has it.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(explain(error, known))
        raise ModelError(f"{where}: {problems}", "docs/models.md describes each field.") from None
