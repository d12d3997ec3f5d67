"""Values of a reduced recipe that differ from the full-size recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from oodbench.training.architectures.config import build_architecture_config, get_model_value
from oodbench.training.architectures.recipe import ArchitectureRecipe, load_architecture_recipe

_NETWORK = "network."


class Override(NamedTuple):
    """A value that differs.

    Attributes:
        full_size: Value of the full-size recipe or of its config; None if neither has one.
        reduced: Value of the reduced recipe.
        source: Source of the reduced value, with the reason for the difference.
    """

    full_size: Any
    reduced: Any
    source: str


def list_overrides(recipe: ArchitectureRecipe) -> dict[str, Override]:
    """Return the override per field name; empty if the recipe is not a reduced one."""
    if recipe.reduced_from is None:
        return {}
    full = load_architecture_recipe(recipe.reduced_from)
    settings, model = full.settings(), build_architecture_config(full, Path()).model

    def full_size_value(field: str) -> Any:
        if field in settings:
            return settings[field][0]
        return get_model_value(model, field.removeprefix(_NETWORK)) if field.startswith(_NETWORK) else None

    candidates = {
        field: Override(full_size_value(field), value, source) for field, (value, source) in recipe.settings().items()
    }
    return {field: override for field, override in candidates.items() if override.full_size != override.reduced}


def format_overrides(recipe: ArchitectureRecipe) -> Iterator[str]:
    """Yield a heading and one line per override; nothing if the recipe is not a reduced one."""
    overrides = list_overrides(recipe)
    if not overrides:
        return
    yield f"reduced from {recipe.reduced_from}; {len(overrides)} values differ:"
    for field, (full_size, reduced, source) in overrides.items():
        yield f"  {field}: {'not set' if full_size is None else full_size} -> {reduced}   ({source})"
    if "SyncBN" in str(build_architecture_config(recipe, Path()).model):
        yield "  norm: SyncBN -> BN   (a single process has no other processes' statistics)"
