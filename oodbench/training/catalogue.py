"""All recipes of this package, and recipe files of the user."""

from __future__ import annotations

from pathlib import Path

from oodbench.errors import UnknownNameError
from oodbench.files import expand_home
from oodbench.training.architectures.recipe import list_architecture_recipes, load_architecture_recipe
from oodbench.training.bundled_recipe import list_bundled_recipes, load_bundled_recipe
from oodbench.training.recipe import Recipe, read_recipe_file


def list_recipes() -> list[str]:
    """List the names of the recipes of both kinds in this package."""
    return sorted([*list_bundled_recipes(), *list_architecture_recipes()])


def load_recipe(source: str) -> Recipe:
    """Load the recipe of a name, or of a file NAME.toml.

    A file with a `base` or a `config` is the recipe of an architecture; any other one is of the compact network.

    Raises:
        UnknownNameError: No recipe has this name.
        UsageError: The file does not exist or is not a valid recipe.
    """
    source = expand_home(source)
    if source.endswith(".toml"):
        content = read_recipe_file(Path(source))
        of_architecture = "base" in content or "config" in content
    elif source in list_recipes():
        of_architecture = source in list_architecture_recipes()
    else:
        raise UnknownNameError("recipe", source, list_recipes(), "oodbench train --list")
    return load_architecture_recipe(source) if of_architecture else load_bundled_recipe(source)
