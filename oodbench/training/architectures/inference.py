"""The config that lies beside a trained network: what a run needs of it."""

from __future__ import annotations

import copy

from mmengine.config import Config

from oodbench.types import ClassSet


def inference_config(config: Config, classes: ClassSet) -> Config:
    """Of the training's config; the same whatever the training started from."""
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
