"""All recipes that come with the program, of either kind, and those of the user's own files."""

from __future__ import annotations

import tomllib
from pathlib import Path

from oodbench.errors import UnknownNameError, UsageError
from oodbench.training.architectures.recipe import (
    ArchitectureRecipe,
    architecture_recipe_names,
    read_architecture_recipe,
)
from oodbench.training.recipe import Recipe, read_recipe, recipe_names

AnyRecipe = Recipe | ArchitectureRecipe


def all_recipe_names() -> list[str]:
    """Those that come with the program."""
    return sorted([*recipe_names(), *architecture_recipe_names()])


def find_recipe(source: str) -> AnyRecipe:
    """The recipe of that name, or of a file NAME.toml: a whole one of the compact network's, or one with a `base`.

    Raises:
        UnknownNameError: there is none.
        UsageError: the file is not what it should be.
    """
    if not source.endswith(".toml"):
        if source not in all_recipe_names():
            raise UnknownNameError("recipe", source, all_recipe_names(), "oodbench train --list")
        return read_recipe(source) if source in recipe_names() else read_architecture_recipe(source)
    path = Path(source)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; expected a recipe", "See: oodbench train --list") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error})", "docs/training.md describes it.") from None
    return read_architecture_recipe(source) if "base" in content or "config" in content else read_recipe(source)
