"""Config that is stored next to a trained network."""

from __future__ import annotations

import copy

from mmengine.config import Config

from oodbench.types import ClassSet


def make_inference_config(config: Config, classes: ClassSet) -> Config:
    """Return the parts of a training's config that inference needs, independent of the initial weights.

    Args:
        config: Config of the training.
        classes: Class set of the labels.
    """
    model = copy.deepcopy(config.model)
    model.pretrained = model.backbone.init_cfg = None
    imports = [name for name in config.custom_imports.imports if not name.startswith("oodbench.training.")]
    dataset = {"metainfo": {"classes": classes.names}, "pipeline": config.test_pipeline}
    return Config(
        {
            "default_scope": "mmseg",
            "custom_imports": {"imports": imports},
            "model": model,
            "test_dataloader": {"dataset": dataset},
        }
    )
