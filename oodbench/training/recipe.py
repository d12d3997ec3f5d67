"""Base class of training recipes, and the parts that both kinds share.

A recipe is a TOML file. `bundled_recipe.py` defines the recipes of the compact network, by which the bundled models are
trained. `architectures/recipe.py` defines those of MMSegmentation's architectures. `catalogue.load_recipe` loads both.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field

from oodbench.errors import UsageError
from oodbench.files import read_text
from oodbench.frozen_record import FrozenRecord
from oodbench.text import Label, Name

RECIPE_PAGE = "See docs/how-to/train.md for the fields of a recipe."
"""Remedy of errors in recipe files."""

SOURCES = ("supplement", "released config", "MMSegmentation's default", "recalled, unconfirmed", "ours")
"""Prefixes of sources. Each source starts with one of them."""

T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]


def _check_source(source: str) -> str:
    if not source.startswith(SOURCES):
        raise ValueError(f"'{source}' is not a source; expected one that begins with: {'; '.join(SOURCES)}")
    return source


class RecipeSection(FrozenRecord):
    """A recipe or a section of one: frozen, and unknown fields are errors."""


class SourcedValue(RecipeSection, Generic[T]):
    """A value with its source."""

    value: T
    source: Annotated[str, AfterValidator(_check_source)]


class Recipe(RecipeSection, ABC):
    """Everything that determines a training except its seed.

    Attributes:
        extra: Optional dependencies that the training needs, as in `oodbench[train]`.
        descriptive: Fields that describe the recipe and have no effect on the training.
        name: Name of the recipe, and of the network that it trains.
        title: Title for lists of recipes.
    """

    extra: ClassVar[str]
    descriptive: ClassVar[frozenset[str]] = frozenset({"name", "title"})

    name: Name
    title: Label

    @property
    @abstractmethod
    def dataset_name(self) -> str:
        """Name of the dataset to train on."""

    @property
    @abstractmethod
    def splits(self) -> tuple[str, str]:
        """Names of the dataset's splits for training and for validation."""

    @abstractmethod
    def check_device_count(self, devices: int) -> None:
        """Check that this number of devices can share each step.

        Raises:
            UsageError: The number does not divide a step evenly.
        """

    @abstractmethod
    def to_record(self) -> dict[str, Any]:
        """Return the values of the recipe that a checkpoint records, as plain values."""

    def settings(self) -> dict[str, tuple[Any, str]]:
        """Return (value, source) per dotted field name. The source is empty if the file has none."""
        return {
            name: setting
            for field, value in self
            if field not in self.descriptive
            for name, setting in _flatten(field, value)
        }


def _flatten(name: str, value: Any) -> Iterator[tuple[str, tuple[Any, str]]]:
    if isinstance(value, SourcedValue):
        yield name, (value.value, value.source)
    elif isinstance(value, BaseModel | dict):
        for key, inner in value.items() if isinstance(value, dict) else iter(value):
            yield from _flatten(f"{name}.{key}", inner)
    elif value is not None:
        yield name, (value, "")


def read_recipe_file(path: Path) -> dict[str, Any]:
    """Return the contents of a recipe file, not validated yet.

    Raises:
        UsageError: The file does not exist or is not TOML.
    """
    try:
        return tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a recipe", "See: oodbench train --list") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})", RECIPE_PAGE) from None
