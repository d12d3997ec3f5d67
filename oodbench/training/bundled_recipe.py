"""Recipes of the compact network, by which the bundled models are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_validator
from typing_extensions import override

from oodbench.errors import UnknownNameError, UsageError
from oodbench.training.recipe import RECIPE_PAGE, Recipe, RecipeSection, read_recipe_file
from oodbench.validation import explain

_FOLDER = Path(__file__).parent / "recipes"


class BundledHead(RecipeSection):
    """Head of the network and its parameters."""

    name: str
    parameters: dict[str, Any] = Field({})


class BundledData(RecipeSection):
    """Frames, crops and labels of a step."""

    dataset: str
    train: str
    validation: str
    crops: int = Field(ge=1, description="crops per step")
    window: int = Field(ge=1, description="number of frames from which the crops of a step are taken")
    steps_a_frame: int = Field(ge=1, description="steps after which the window moves by one frame")
    crop: tuple[int, int] = Field(description="(height, width), multiples of 16")
    balanced: float = Field(ge=0, le=1, description="share of crops that contain a pixel of a uniformly sampled class")
    labels: int = Field(ge=1, description="approximate number of labelled pixels per step that enter the loss")
    evenness: float = Field(
        ge=0, le=1, description="class balance of these pixels; 0: as in the frames, 1: as even as possible"
    )
    validation_frames: int = Field(ge=1)


class BundledSchedule(RecipeSection):
    """Length of the training and its learning rate."""

    iterations: int = Field(ge=1)
    warmup: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    power: float = Field(gt=0)
    clip: float = Field(gt=0)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)

    @model_validator(mode="after")
    def _check_warmup(self) -> BundledSchedule:
        if self.warmup >= self.iterations:
            raise ValueError(f"warmup is {self.warmup}; expected fewer than the {self.iterations} iterations")
        return self


class BundledRecipe(Recipe):
    """Recipe of the compact network."""

    extra: ClassVar[str] = "train"

    network: str
    head: BundledHead
    data: BundledData
    schedule: BundledSchedule

    @property
    @override
    def dataset_name(self) -> str:
        """Name of the dataset to train on."""
        return self.data.dataset

    @property
    @override
    def splits(self) -> tuple[str, str]:
        """Names of the dataset's splits for training and for validation."""
        return self.data.train, self.data.validation

    @override
    def check_device_count(self, devices: int) -> None:
        """Check that there is one device only.

        Raises:
            UsageError: There is more than one device.
        """
        if devices > 1:
            raise UsageError(f"{self.name}: the compact network trains on one device", "Omit --devices.")

    @override
    def to_record(self) -> dict[str, Any]:
        """Return the values of the recipe that a checkpoint records, as plain values."""
        return self.model_dump(mode="json", exclude={"title"})


def list_bundled_recipes() -> list[str]:
    """List the names of the recipes in this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_bundled_recipe(source: str) -> BundledRecipe:
    """Load the recipe of a name, or of a file NAME.toml.

    Raises:
        UnknownNameError: No recipe has this name.
        UsageError: The file is not a valid recipe.
    """
    path = Path(source) if source.endswith(".toml") else _FOLDER / f"{source}.toml"
    if not path.is_file():
        raise UnknownNameError("recipe", source, list_bundled_recipes(), "oodbench train --list")
    try:
        return BundledRecipe.model_validate(read_recipe_file(path))
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(explain(error))}", RECIPE_PAGE) from None
