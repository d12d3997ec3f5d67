"""Recipes of architectures: a config of MMSegmentation's wheel, and the values that replace the config's.

Each value has one of these sources:

- the supplement of GMMSeg's paper (sections S1 and S2);
- the config that its authors released;
- MMSegmentation's default (the config of the wheel);
- the paper, recalled and not confirmed;
- our own choice, if none of these states a value.

If the supplement and a default disagree, the recipe follows the supplement.

A file may name other files as its `base`. A later base overrides an earlier one, and the file overrides its bases. A
reduced recipe names the full-size recipe that it is reduced from; overrides.py lists the values that differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator
from typing_extensions import override

from oodbench.errors import UnknownNameError, UsageError
from oodbench.files import expand_home
from oodbench.training.recipe import RECIPE_PAGE, Count, Recipe, RecipeSection, SourcedValue, read_recipe_file
from oodbench.validation import explain

_FOLDER = Path(__file__).parent / "recipes"

# Files that begin like this are bases of recipes, not recipes.
_BASE_PREFIX = "_"


class ArchitectureHead(RecipeSection):
    """Head that replaces the decoder's own classifier."""

    name: SourcedValue[str]
    parameters: dict[str, SourcedValue[Any]] = Field({})


class ArchitectureData(RecipeSection):
    """Frames, augmentation and sampling of a step."""

    dataset: SourcedValue[str] = Field(description="name of a dataset with the splits train and val")
    frames: SourcedValue[Count] | None = Field(None, description="number of training frames to use; None: all")
    validation_frames: SourcedValue[Count] | None = Field(
        None, description="number of validation frames to use; None: all"
    )
    scale: SourcedValue[tuple[int, int]] | None = Field(
        None, description="(width, height) to which frames are resized first"
    )
    ratio: SourcedValue[tuple[float, float]] | None = Field(None, description="range of a random factor on that scale")
    shortest: SourcedValue[tuple[int, ...]] | None = Field(
        None, description="lengths; the shorter side is resized to a random one"
    )
    crop: SourcedValue[tuple[int, int]] = Field(description="(height, width)")
    most_of_a_class: SourcedValue[float] = Field(description="share of one class above which a crop is sampled again")
    flip: SourcedValue[float] = Field(description="probability")
    batch: SourcedValue[Count] = Field(description="crops per step, over all GPUs")
    class_balanced: SourcedValue[bool] = Field(description="sample a class, then a frame that contains it")
    around_class: SourcedValue[bool] | None = Field(
        None, description="sample a crop that contains that class; None: any crop"
    )

    @model_validator(mode="after")
    def _check_resizing(self) -> ArchitectureData:
        if (self.scale is None) != (self.ratio is None) or (self.scale is not None and self.shortest is not None):
            raise ValueError("expected 'scale' and 'ratio', or 'shortest', or none of them")
        return self

    @model_validator(mode="after")
    def _check_around_class(self) -> ArchitectureData:
        if self.around_class is not None and self.around_class.value and not self.class_balanced.value:
            raise ValueError("'around_class' needs 'class_balanced', which samples the class")
        return self


class ArchitectureSchedule(RecipeSection):
    """Optimiser, length of the training and learning rate."""

    optimizer: SourcedValue[Literal["SGD", "AdamW"]]
    learning_rate: SourcedValue[float]
    weight_decay: SourcedValue[float]
    backbone_rate: SourcedValue[float] | None = Field(
        None, description="factor on the learning rate for the backbone; None: the config's"
    )
    iterations: SourcedValue[Count]
    warmup: SourcedValue[int] = Field(description="iterations of linear warm-up")
    power: SourcedValue[float] | None = Field(None, description="exponent of the polynomial decay")
    least: SourcedValue[float] | None = Field(None, description="learning rate at the end of that decay")
    steps: SourcedValue[tuple[float, ...]] | None = Field(
        None, description="fractions of the iterations; after each the rate is divided by ten"
    )
    validate_every: SourcedValue[Count] | None = Field(None, description="iterations; None: the config's")
    checkpoint_every: SourcedValue[Count] | None = Field(None, description="iterations; None: the config's")

    @model_validator(mode="after")
    def _check_decay(self) -> ArchitectureSchedule:
        if (self.power is None) == (self.steps is None) or (self.power is None) != (self.least is None):
            raise ValueError("expected 'power' and 'least', or 'steps'")
        if self.warmup.value >= self.iterations.value:
            raise ValueError(f"warmup is {self.warmup.value}; expected fewer than {self.iterations.value} iterations")
        return self


class ArchitectureInference(RecipeSection):
    """Inference on whole images."""

    scale: SourcedValue[tuple[int, int]] = Field(description="(width, height) that images are resized to")
    mode: SourcedValue[Literal["slide", "whole"]]
    window: SourcedValue[int] = Field(description="side of the sliding window")
    stride: SourcedValue[int]


class ArchitectureRecipe(Recipe):
    """Recipe of one architecture with one head.

    Attributes:
        reduced_from: Name of the full-size recipe that this one is reduced from; None: not a reduced recipe.
    """

    extra: ClassVar[str] = "mmseg"
    descriptive: ClassVar[frozenset[str]] = Recipe.descriptive | {"reduced_from"}

    reduced_from: str | None = None
    config: SourcedValue[str] = Field(
        description="path of a config in MMSegmentation's wheel, which has all other values"
    )
    start: SourcedValue[Literal["pretrained", "random"]] = Field(description="weights of the backbone")
    network: dict[str, SourcedValue[Any]] = Field({}, description="dotted name in the config's `model` -> value")
    head: ArchitectureHead | None = Field(None, description="None: the decoder's own classifier")
    data: ArchitectureData
    schedule: ArchitectureSchedule
    inference: ArchitectureInference

    @property
    @override
    def dataset_name(self) -> str:
        """Name of the dataset to train on."""
        return self.data.dataset.value

    @property
    @override
    def splits(self) -> tuple[str, str]:
        """Names of the dataset's splits for training and for validation."""
        return "train", "val"

    @override
    def check_device_count(self, devices: int) -> None:
        """Check that this number of devices divides the crops of a step evenly.

        Raises:
            UsageError: The number does not divide the crops evenly.
        """
        batch = self.data.batch.value
        if batch % devices:
            raise UsageError(
                f"{self.name}: a step has {batch} crops, which {devices} devices can't share evenly",
                f"Choose a number of devices that divides {batch}.",
            )

    @override
    def to_record(self) -> dict[str, Any]:
        """Return the values of the recipe that a checkpoint records, as plain values."""
        return {field: value for field, (value, _) in self.settings().items()}


def list_architecture_recipes() -> list[str]:
    """List the names of the recipes in this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml") if not path.stem.startswith(_BASE_PREFIX))


def load_architecture_recipe(source: str) -> ArchitectureRecipe:
    """Load the recipe of a name, or of a file NAME.toml. The `base` of a file may be a recipe of this package.

    Raises:
        UnknownNameError: No recipe has this name.
        UsageError: The file is not a valid recipe.
    """
    path = Path(source) if source.endswith(".toml") else _FOLDER / f"{source}.toml"
    if not path.is_file():
        raise UnknownNameError("recipe", source, list_architecture_recipes(), "oodbench train --list")
    try:
        return ArchitectureRecipe.model_validate({"name": path.stem, **_read_with_bases(path)})
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(explain(error))}", RECIPE_PAGE) from None


def _read_with_bases(path: Path, referrers: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a recipe file and merge it over its bases.

    Args:
        path: Path of the file.
        referrers: Files that refer to this one, directly or through others. A file can't be its own base.
    """
    content = read_recipe_file(path)
    bases = content.pop("base", [])
    merged: dict[str, Any] = {}
    for name in [bases] if isinstance(bases, str) else bases:
        # A user's file may have the same name as the recipe of this package that is its base.
        nearby, packaged = (folder / f"{expand_home(name)}.toml" for folder in (path.parent, _FOLDER))
        base = nearby if nearby.is_file() and nearby != path else packaged
        if not base.is_file() or base in (path, *referrers):
            raise UnknownNameError(f"base in {path}", name, list_architecture_recipes())
        merged = _merge(merged, _read_with_bases(base, (path, *referrers)))
    return _merge(merged, content)


def _merge(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """Merge `content` over `base`, section by section. A sourced value replaces the base's value as a whole."""
    merged = dict(base)
    for key, value in content.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and "source" not in value
        merged[key] = _merge(merged[key], value) if both else value
    return merged
