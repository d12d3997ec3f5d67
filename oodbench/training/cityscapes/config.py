"""A recipe at full size as a config of MMSegmentation, for its own `tools/train.py` or MMEngine's runner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from oodbench.errors import UsageError
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.cityscapes.recipe import FullRecipe, Schedule

CLASSES = 19
_CITYSCAPES = "_base_/datasets/cityscapes.py"
_PLUGS = {
    "OodbenchHead": "oodbench.segmenters.mmsegmentation.decoders",
    "OodbenchMask2Former": "oodbench.segmenters.mmsegmentation.mask2former",
}


def full_config(recipe: FullRecipe, data: Path, devices: int = 1) -> Config:
    """The whole config.

    Args:
        recipe: of `read_full_recipe`.
        data: where Cityscapes lies, with leftImg8bit/ and gtFine/ and MMSegmentation's labelTrainIds in it.
        devices: how many processes share a step.

    Raises:
        UsageError: the batch can't be shared out evenly.
        MissingExtraError: the extra `mmseg` is not installed.
    """
    batch = recipe.data.batch.value
    if batch % devices:
        raise UsageError(
            f"{recipe.name}: a step has {batch} crops, which {devices} devices can't share evenly",
            f"Take a number of devices that {batch} can be divided by.",
        )
    wheel = Path(str(import_mmseg(f"the recipe {recipe.name}").__file__)).parent / ".mim" / "configs"
    config = Config.fromfile(wheel / recipe.config.value)
    if config.dataset_type != "CityscapesDataset":
        _to_cityscapes(config, wheel)
    _network(config.model, recipe)
    _data(config, recipe, data, batch // devices)
    schedule, wrapper = recipe.schedule, config.optim_wrapper
    wrapper.optimizer.update(
        type=schedule.optimizer.value, lr=schedule.learning_rate.value, weight_decay=schedule.weight_decay.value
    )
    config.optimizer = wrapper.optimizer
    config.param_scheduler = _decay(schedule)
    config.train_cfg.max_iters = schedule.iterations.value
    # Without a head of ours too: these bring what MMSegmentation needs where no compiled mmcv is.
    modules = [_PLUGS["OodbenchMask2Former" if _has_queries(config.model) else "OodbenchHead"]]
    if recipe.data.class_balanced.value:
        modules.append("oodbench.training.balance")
    config.custom_imports = {"imports": modules}
    if recipe.head is not None:
        config.custom_hooks = [{"type": "OodbenchHeadHook"}]
    return config


def _has_queries(model: Any) -> bool:
    return "Mask2Former" in str(model.decode_head)


def _to_cityscapes(config: Config, wheel: Path) -> None:
    """The data of a config for something else, by MMSegmentation's own for Cityscapes."""
    usual = Config.fromfile(wheel / _CITYSCAPES)
    for key, value in usual.items():
        config[key] = value


def _network(model: Any, recipe: FullRecipe) -> None:
    decoders = model.decode_head if isinstance(model.decode_head, list) else [model.decode_head]
    for decoder in (*decoders, *filter(None, [model.get("auxiliary_head")])):
        decoder.num_classes = CLASSES
    inference = recipe.inference
    if _has_queries(model):
        # In windows MMSegmentation's port would bring each window's masks to the size of the image.
        model.test_cfg = {"mode": "whole"}
    else:
        window, stride = (2 * (side.value,) for side in (inference.window, inference.stride))
        model.test_cfg = {"mode": "slide", "crop_size": window, "stride": stride}
    model.data_preprocessor.size = recipe.data.crop.value
    if recipe.head is not None:
        last = decoders[-1]
        head = {
            "name": recipe.head.name.value,
            "parameters": {name: said.value for name, said in recipe.head.parameters.items()},
        }
        if _has_queries(model):
            last.update(type="OodbenchMask2Former", head=head)
        else:
            last.update(type="OodbenchHead", decoder=last.type, head=head)


def _data(config: Config, recipe: FullRecipe, where: Path, crops: int) -> None:
    data = recipe.data
    steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
    if data.scale is not None and data.ratio is not None:
        steps["RandomResize"].update(scale=data.scale.value, ratio_range=data.ratio.value)
    steps["RandomCrop"].update(crop_size=data.crop.value, cat_max_ratio=data.most_of_a_class.value)
    steps["RandomFlip"].prob = data.flip.value
    config.train_pipeline = config.train_dataloader.dataset.pipeline
    config.train_dataloader.batch_size = crops
    if data.class_balanced.value:
        config.train_dataloader.sampler = {"type": "OodbenchBalancedSampler"}
    config.data_root, config.crop_size = str(where), data.crop.value
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(where)
        for step in loader.dataset.pipeline:
            if step.type == "Resize":
                step.scale = recipe.inference.scale.value
    config.test_pipeline = config.test_dataloader.dataset.pipeline


def _decay(schedule: Schedule) -> list[dict[str, Any]]:
    iterations, warmup = schedule.iterations.value, schedule.warmup.value
    parts: list[dict[str, Any]] = []
    if warmup:
        # A millionth at first: MMSegmentation's, and the released config's.
        parts.append({"type": "LinearLR", "start_factor": 1e-6, "by_epoch": False, "begin": 0, "end": warmup})
    if schedule.steps is not None:
        milestones = [round(share * iterations) for share in schedule.steps.value]
        return [*parts, {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.1, "by_epoch": False}]
    assert schedule.power is not None, "the recipe says one of both"
    assert schedule.least is not None, "with it"
    decay = {"type": "PolyLR", "power": schedule.power.value, "eta_min": schedule.least.value, "by_epoch": False}
    return [*parts, {**decay, "begin": warmup, "end": iterations}]
