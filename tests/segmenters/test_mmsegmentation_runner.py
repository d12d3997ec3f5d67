"""The few lines of config that docs/how-to/add-a-head.md gives, under MMEngine's runner."""

from __future__ import annotations

import logging
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch.utils.data import Dataset

from oodbench.errors import UsageError
from oodbench.segmenters.checkpoint import convert
from tests.helpers.architectures import batch

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    # MMEngine uses pkg_resources to find the wheel's configs and installed packages.
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-head.md"


@DATASETS.register_module(name="TwoImages")
class TwoImages(Dataset[dict[str, Any]]):
    """A dataset of two random images with labels."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict[str, Any]:
        images, samples = batch()
        return {"inputs": (images[index] * 50 + 128).clamp(0, 255).byte(), "data_samples": samples[index]}


def runner(tmp_path: Path, **changed: Any) -> Runner:
    """Create the runner of the config on the page, with a small network and these two images."""
    (text,) = re.findall(r"```python\n(_base_.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "config.py").write_text(text)
    config = Config.fromfile(tmp_path / "config.py")
    config.merge_from_dict(
        {
            "model.backbone.init_cfg": None,
            "model.backbone.num_layers": [1, 1, 1, 1],
            "model.decode_head.channels": 16,
            "model.decode_head.head.parameters.memory": 30,
            "model.data_preprocessor.size": (64, 64),
            "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 6, "_delete_": True},
            "default_hooks.checkpoint.interval": 6,
        }
    )
    for unused in ("val_cfg", "val_dataloader", "val_evaluator", "test_cfg", "test_dataloader", "test_evaluator"):
        config[unused] = None
    config.train_dataloader = {
        "batch_size": 2,
        "sampler": {"type": "InfiniteSampler"},
        "dataset": {"type": "mmengine.TwoImages"},
    }
    config.vis_backends, config.visualizer = [], None
    config.work_dir, config.experiment_name = str(tmp_path / "work"), uuid.uuid4().hex
    config.log_level = logging.ERROR
    config.update(changed)
    return Runner.from_cfg(config)


def test_the_config_in_the_documentation_trains(tmp_path: Path) -> None:
    made = runner(tmp_path)
    model = made.train()
    head = model.decode_head.head
    assert type(model.decode_head.fusion_conv.bn).__name__ == "_BatchNormXd", "on a CPU no statistics are synchronised"
    assert int(head.mixture.estimations) == 2  # after steps 1 and 6
    checkpoint = torch.load(tmp_path / "work" / "iter_6.pth", weights_only=False)
    saved = checkpoint["state_dict"]
    shipped = {name for name in saved if not name.startswith(tuple(checkpoint["meta"]["training_only"]))}
    left_out = {name.removeprefix("decode_head.head.mixture.") for name in saved.keys() - shipped}
    memory = {f"memory.{name}" for name in ("points", "shares", "pointer", "written", "mass", "first", "second")}
    assert left_out == memory | {"occupancy", "steps", "estimations"}
    weights = convert(tmp_path / "work" / "iter_6.pth", tmp_path / "trained.safetensors", trust=True)
    assert set(weights.state) == shipped
    assert torch.equal(saved["decode_head.head.mixture.mean"], head.mixture.mean)
    assert int(saved["decode_head.head.mixture.steps"]) == 6
    rates = {group["lr"] for group in made.optim_wrapper.optimizer.param_groups}
    assert len(rates) == 2, "the recipe's tenfold rate of the decoder is the head's too"


def test_training_without_the_hook_is_an_error(tmp_path: Path) -> None:
    made = runner(tmp_path, custom_hooks=[])
    with pytest.raises(UsageError, match="OodbenchHeadHook"):
        made.train()
