"""What a small twin says otherwise than the recipe at full size that it is a twin of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oodbench.training.architectures.config import architecture_config, in_model
from oodbench.training.architectures.recipe import ArchitectureRecipe, read_architecture_recipe

_NETWORK = "network."


def overrides(recipe: ArchitectureRecipe) -> dict[str, tuple[Any, Any, str]]:
    """Field -> (at full size, here, why), of all that a small twin says otherwise; nothing of any other recipe.

    What the recipe at full size leaves to its config is looked up there; None where that doesn't say it either.
    """
    if recipe.twin_of is None:
        return {}
    full = read_architecture_recipe(recipe.twin_of)
    there, model = full.sources(), architecture_config(full, Path()).model

    def at_full_size(field: str) -> Any:
        if field in there:
            return there[field][0]
        return in_model(model, field.removeprefix(_NETWORK)) if field.startswith(_NETWORK) else None

    found = {field: (at_full_size(field), value, source) for field, (value, source) in recipe.sources().items()}
    return {field: said for field, said in found.items() if said[0] != said[1]}


def override_lines(recipe: ArchitectureRecipe) -> Iterator[str]:
    """These, a line each."""
    said = overrides(recipe)
    if said:
        yield f"small twin of {recipe.twin_of}, with {len(said)} values of its own:"
    for field, (full, own, why) in said.items():
        yield f"  {field}: {'not said' if full is None else full} -> {own}   ({why})"
    if said and "SyncBN" in str(architecture_config(recipe, Path()).model):
        yield "  norm: SyncBN -> BN   (where one process trains, there are no others' statistics)"
