"""A recipe at full size: a config of MMSegmentation's wheel, and what is said otherwise, each value with its source.

Sources are the supplement of GMMSeg's paper (sections S1 and S2), the config that its authors released, the default of
MMSegmentation (that config of the wheel), what is recalled of the paper and not confirmed, and our own choice where all
are silent. Where the supplement and a default disagree the recipe follows the supplement.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from oodbench.errors import UnknownNameError, UsageError
from oodbench.validation import explain

FOLDER = Path(__file__).parent
SOURCES = ("supplement", "released config", "MMSegmentation's default", "recalled, unconfirmed", "ours")
"""How a source begins."""

T = TypeVar("T")


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

    scale: Said[tuple[int, int]] | None = Field(None, description="(width, height) to which frames are brought first")
    ratio: Said[tuple[float, float]] | None = Field(None, description="of that, drawn anew for each frame")
    crop: Said[tuple[int, int]] = Field(description="(height, width)")
    most_of_a_class: Said[float] = Field(description="share of a crop above which it is drawn again")
    flip: Said[float] = Field(description="probability")
    batch: Said[int] = Field(description="crops of a step, over all GPUs")
    class_balanced: Said[bool] = Field(description="draw a class, then a frame that has it")


class Schedule(_Part):
    """How long, and how fast."""

    optimizer: Said[Literal["SGD", "AdamW"]]
    learning_rate: Said[float]
    weight_decay: Said[float]
    iterations: Said[int]
    warmup: Said[int] = Field(description="iterations of linear warm-up")
    power: Said[float] | None = Field(None, description="of the polynomial decay")
    least: Said[float] | None = Field(None, description="the rate at the end of that decay")
    steps: Said[tuple[float, ...]] | None = Field(
        None, description="shares of the iterations; a tenth of the rate after each"
    )

    @model_validator(mode="after")
    def _one_decay(self) -> Schedule:
        if (self.power is None) == (self.steps is None) or (self.power is None) != (self.least is None):
            raise ValueError("expected 'power' and 'least', or 'steps'")
        return self


class Inference(_Part):
    """How whole images are seen."""

    scale: Said[tuple[int, int]] = Field(description="(width, height) to which images are brought")
    window: Said[int] = Field(description="its side")
    stride: Said[int]


class FullRecipe(_Part):
    """One architecture and one head."""

    name: str
    title: str
    config: Said[str] = Field(description="of MMSegmentation's wheel; what isn't said here is as it says")
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


def full_recipe_names() -> list[str]:
    """Those that come with the program."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_full_recipe(name: str) -> FullRecipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: there is none.
        UsageError: its file is not what it should be.
    """
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UnknownNameError("recipe", name, full_recipe_names())
    try:
        return FullRecipe.model_validate({"name": name, **_read(path)})
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(explain(error))}", "docs/training.md describes it.") from None


def _read(path: Path) -> dict[str, Any]:
    """The file over the one that it names as its `base`."""
    own = tomllib.loads(path.read_text(encoding="utf-8"))
    base = own.pop("base", None)
    return own if base is None else _over(_read(path.with_name(f"{base}.toml")), own)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and "source" not in value
        merged[key] = _over(merged[key], value) if both else value
    return merged
