"""A recipe of an architecture: a config of MMSegmentation's wheel, and what is said otherwise, each with its source.

Sources are the supplement of GMMSeg's paper (sections S1 and S2), the config that its authors released, the default of
MMSegmentation (that config of the wheel), what is recalled of the paper and not confirmed, and our own choice where all
are silent. Where the supplement and a default disagree the recipe follows the supplement.

A file stands on others, its `base`: the later over the earlier, its own values over all. A small twin names the recipe
at full size that it is a twin of (overrides.py lists what it says otherwise).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from oodbench.errors import UnknownNameError, UsageError
from oodbench.validation import explain

FOLDER = Path(__file__).parent / "recipes"
SOURCES = ("supplement", "released config", "MMSegmentation's default", "recalled, unconfirmed", "ours")
"""How a source begins."""

# Files that others stand on, and no recipes.
_PART = "_"

T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]


def _known(source: str) -> str:
    if not source.startswith(SOURCES):
        raise ValueError(f"'{source}' is no source; it begins with one of: {'; '.join(SOURCES)}")
    return source


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Said(_Part, Generic[T]):
    """A value and where it is from."""

    value: T
    source: Annotated[str, AfterValidator(_known)]


class HeadChoice(_Part):
    """The head in the place of the decoder's own classifier."""

    name: Said[str]
    parameters: dict[str, Said[Any]] = {}


class Data(_Part):
    """What a step sees."""

    dataset: Said[str] = Field(description="of the registry; its splits are train and val")
    frames: Said[Count] | None = Field(None, description="of the training split, from the first on; None: all")
    validation_frames: Said[Count] | None = Field(None, description="likewise of the validation split")
    scale: Said[tuple[int, int]] | None = Field(None, description="(width, height) to which frames are brought first")
    ratio: Said[tuple[float, float]] | None = Field(None, description="of that, drawn anew for each frame")
    shortest: Said[tuple[int, ...]] | None = Field(None, description="sides, of which the shorter is brought to one")
    crop: Said[tuple[int, int]] = Field(description="(height, width)")
    most_of_a_class: Said[float] = Field(description="share of a crop above which it is drawn again")
    flip: Said[float] = Field(description="probability")
    batch: Said[Count] = Field(description="crops of a step, over all GPUs")
    class_balanced: Said[bool] = Field(description="draw a class, then a frame that has it")
    around_class: Said[bool] | None = Field(None, description="then a crop in which it stands; None: any crop")

    @model_validator(mode="after")
    def _one_way_of_resizing(self) -> Data:
        if (self.scale is None) != (self.ratio is None) or (self.scale is not None and self.shortest is not None):
            raise ValueError("expected 'scale' and 'ratio', or 'shortest', or none of them")
        return self

    @model_validator(mode="after")
    def _a_class_to_crop_around(self) -> Data:
        if self.around_class is not None and self.around_class.value and not self.class_balanced.value:
            raise ValueError("'around_class' needs 'class_balanced', which draws the class")
        return self


class Schedule(_Part):
    """How long, and how fast."""

    optimizer: Said[Literal["SGD", "AdamW"]]
    learning_rate: Said[float]
    weight_decay: Said[float]
    backbone_rate: Said[float] | None = Field(None, description="times that, of the backbone; None: as the config says")
    iterations: Said[Count]
    warmup: Said[int] = Field(description="iterations of linear warm-up")
    power: Said[float] | None = Field(None, description="of the polynomial decay")
    least: Said[float] | None = Field(None, description="the rate at the end of that decay")
    steps: Said[tuple[float, ...]] | None = Field(
        None, description="shares of the iterations; a tenth of the rate after each"
    )
    validate_every: Said[Count] | None = Field(None, description="iterations; None: as the config says")
    checkpoint_every: Said[Count] | None = Field(None, description="iterations; None: as the config says")

    @model_validator(mode="after")
    def _one_decay(self) -> Schedule:
        if (self.power is None) == (self.steps is None) or (self.power is None) != (self.least is None):
            raise ValueError("expected 'power' and 'least', or 'steps'")
        if self.warmup.value >= self.iterations.value:
            raise ValueError(f"warmup is {self.warmup.value}; expected fewer than {self.iterations.value} iterations")
        return self


class Inference(_Part):
    """How whole images are seen."""

    scale: Said[tuple[int, int]] = Field(description="(width, height) to which images are brought")
    mode: Said[Literal["slide", "whole"]]
    window: Said[int] = Field(description="its side")
    stride: Said[int]


class ArchitectureRecipe(_Part):
    """One architecture and one head."""

    name: str
    title: str
    twin_of: str | None = Field(None, description="the recipe at full size that this one is a small twin of")
    config: Said[str] = Field(description="of MMSegmentation's wheel; what isn't said here is as it says")
    start: Said[Literal["pretrained", "random"]] = Field(description="of the backbone: the config's weights, or none")
    network: dict[str, Said[Any]] = Field({}, description="dotted name in the config's `model` -> value")
    head: HeadChoice | None = Field(None, description="None: the decoder's own classifier")
    data: Data
    schedule: Schedule
    inference: Inference

    def sources(self) -> dict[str, tuple[Any, str]]:
        """Field -> (value, source), of every field."""
        return dict(_said("", self))


def _said(prefix: str, part: Any) -> Iterator[tuple[str, tuple[Any, str]]]:
    if isinstance(part, Said):
        yield prefix, (part.value, part.source)
    elif isinstance(part, (BaseModel, dict)):
        for key, inner in part.items() if isinstance(part, dict) else iter(part):
            yield from _said(f"{prefix}.{key}".lstrip("."), inner)


def architecture_recipe_names() -> list[str]:
    """Those that come with the program."""
    return sorted(path.stem for path in FOLDER.glob("*.toml") if not path.stem.startswith(_PART))


def read_architecture_recipe(source: str) -> ArchitectureRecipe:
    """The recipe of that name, or of a file NAME.toml, whose `base` may be one of the program's.

    Raises:
        UnknownNameError: there is none.
        UsageError: its file is not what it should be.
    """
    path = Path(source) if source.endswith(".toml") else FOLDER / f"{source}.toml"
    if not path.is_file():
        raise UnknownNameError("recipe", source, architecture_recipe_names())
    try:
        return ArchitectureRecipe.model_validate({"name": path.stem, **_read(path)})
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(explain(error))}", "docs/training.md describes it.") from None


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The file over those that it names as its `base`, one name or several; `above` are those that stand on it."""
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})", "docs/training.md describes it.") from None
    base = own.pop("base", [])
    merged: dict[str, Any] = {}
    for name in [base] if isinstance(base, str) else base:
        # One's own file may have the name of the program's that it stands on.
        beside, known = (folder / f"{name}.toml" for folder in (path.parent, FOLDER))
        below = beside if beside.is_file() and beside != path else known
        if not below.is_file() or below in (path, *above):
            raise UnknownNameError(f"base in {path}", name, architecture_recipe_names())
        merged = _over(merged, _read(below, (path, *above)))
    return _over(merged, own)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and "source" not in value
        merged[key] = _over(merged[key], value) if both else value
    return merged
