"""A training run by name, as a TOML file in which each value stands with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from oodbench.errors import UnknownNameError, UsageError
from oodbench.validation import explain

_FOLDER = Path(__file__).parent / "recipes"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeadChoice(_Part):
    """The head and its parameters."""

    name: str
    parameters: dict[str, Any] = {}


class DataChoice(_Part):
    """What a step sees."""

    dataset: str
    train: str
    validation: str
    crops: int = Field(ge=1, description="of a step")
    window: int = Field(ge=1, description="frames from which a step's crops come")
    steps_a_frame: int = Field(ge=1, description="steps after which the window moves on by a frame")
    crop: tuple[int, int] = Field(description="(height, width), multiples of 16")
    balanced: float = Field(ge=0, le=1, description="share of the crops around a pixel of a class drawn uniformly")
    labels: int = Field(ge=1, description="labelled pixels of a step that count, about")
    evenness: float = Field(ge=0, le=1, description="of the classes among them; 0: as they come, 1: as even as can be")
    validation_frames: int = Field(ge=1)


class Schedule(_Part):
    """How long, and how fast."""

    iterations: int = Field(ge=1)
    warmup: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    power: float = Field(gt=0)
    clip: float = Field(gt=0)
    validate_every: int = Field(ge=1)
    checkpoint_every: int = Field(ge=1)

    @model_validator(mode="after")
    def _ends(self) -> Schedule:
        if self.warmup >= self.iterations:
            raise ValueError(f"warmup is {self.warmup}; expected fewer than the {self.iterations} iterations")
        return self


class Recipe(_Part):
    """Everything that decides on a training run but its seed."""

    name: str
    title: str
    network: str
    head: HeadChoice
    data: DataChoice
    schedule: Schedule


def recipe_names() -> list[str]:
    """Those that come with the program."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_recipe(source: str) -> Recipe:
    """The recipe of that name, or of a file NAME.toml.

    Raises:
        UsageError: there is none, or the file is not what it should be.
    """
    path = Path(source) if source.endswith(".toml") else _FOLDER / f"{source}.toml"
    if not path.is_file():
        raise UnknownNameError("recipe", source, recipe_names(), "oodbench train --list")
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError(f"{path}: {'; '.join(explain(error))}", "docs/training.md describes each field.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})", "docs/training.md describes it.") from None
