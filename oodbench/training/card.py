"""Model card of a trained network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oodbench.files import write_atomically
from oodbench.segmenters.bundled import BundledCard
from oodbench.training.bundled_recipe import BundledRecipe

_USE = "tests of anomaly scorers on the synthetic world streets, and regression checks in continuous integration"
_LIMITS = "it was trained on synthetic images only: its output on photographs has no meaning"


def write_card(path: Path, recipe: BundledRecipe, seed: int, classes: str, quality: Mapping[str, Any]) -> None:
    """Write the model card as a TOML file.

    Args:
        path: Path of the file.
        recipe: Recipe of the training.
        seed: Seed of the training.
        classes: Name of the class set.
        quality: Result of `TrainingJob.measure`; empty if it was not measured.
    """
    expected = {name: quality[name] for name in ("miou", "mean_confidence") if quality.get(name) is not None}
    card = BundledCard.model_validate(
        {
            "name": recipe.name,
            "intended_use": _USE,
            "limits": _LIMITS,
            "classes": {"set": classes},
            "head": recipe.head.model_dump(),
            "training": {
                "recipe": recipe.name,
                "seed": seed,
                "iterations": recipe.schedule.iterations,
                "data": recipe.data.dataset,
            },
            "expected": {name: round(value, 4) for name, value in expected.items()},
        }
    )
    top = ("name", "intended_use", "limits")
    lines = [f"{key} = {_to_toml(getattr(card, key))}" for key in top]
    for section in ("classes", "head", "training", "expected"):
        values = getattr(card, section).model_dump(exclude_none=True)
        nested = {key: value for key, value in values.items() if isinstance(value, dict)}
        lines += ["", f"[{section}]"]
        lines += [f"{key} = {_to_toml(value)}" for key, value in values.items() if key not in nested]
        for key, inner in nested.items():
            lines += ["", f"[{section}.{key}]", *(f"{name} = {_to_toml(value)}" for name, value in inner.items())]
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def _to_toml(value: Any) -> str:
    """Return a text, a number or a list in TOML, which has no surrogate pairs, unlike JSON in ASCII."""
    return json.dumps(value, ensure_ascii=False)
