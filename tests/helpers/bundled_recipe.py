"""Recipe of the compact network whose training takes seconds, on a dataset of small frames."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oodbench.contracts import Roots
from oodbench.progress import Silent
from oodbench.training.bundled_recipe import BundledRecipe
from oodbench.training.options import TrainingOptions
from oodbench.training.train import train

PLUGIN = Path(__file__).parent / "block_plugins.py"


def make_bundled_recipe(head: str = "gmmseg", *, iterations: int = 6, **parameters: object) -> BundledRecipe:
    """Return the recipe with a head; GMMSeg's head is small."""
    head_parameters = {"components": 2, "memory": 30, **parameters} if head == "gmmseg" else {}
    return BundledRecipe.model_validate(
        {
            "name": f"blocks-{head}",
            "title": "Blocks",
            "network": "compact",
            "head": {"name": head, "parameters": head_parameters},
            "data": {
                "dataset": "blocks",
                "train": "train",
                "validation": "val",
                "crops": 2,
                "window": 4,
                "steps_a_frame": 2,
                "crop": [32, 48],
                "balanced": 0.5,
                "labels": 1000,
                "evenness": 0.5,
                "validation_frames": 2,
            },
            "schedule": {
                "iterations": iterations,
                "warmup": 1,
                "learning_rate": 2e-3,
                "weight_decay": 1e-2,
                "power": 0.9,
                "clip": 5.0,
                "validate_every": 2,
                "checkpoint_every": 2,
            },
        }
    )


def run_bundled_recipe(recipe: BundledRecipe, out: Path, **options: Any) -> Path:
    """Train by the recipe and return the network's file."""
    return train(recipe, out, Silent(), roots=Roots(), options=TrainingOptions(plugins=[PLUGIN], **options))


def read_log(out: Path) -> list[Mapping[str, float]]:
    """Return the entries of a training's log."""
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
