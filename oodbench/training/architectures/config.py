"""Conversion of an architecture's recipe to a config of MMSegmentation.

`oodbench train` builds the parts of the training from this config. MMSegmentation's own `tools/train.py` runs it
unchanged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from oodbench.errors import UsageError
from oodbench.files import expand_home
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.architectures.recipe import ArchitectureRecipe, ArchitectureSchedule

_CITYSCAPES = "_base_/datasets/cityscapes.py"
# Modules that register each type.
_MODULES = {
    "OodbenchHead": "oodbench.segmenters.mmsegmentation.decoders",
    "OodbenchMask2Former": "oodbench.segmenters.mmsegmentation.mask2former",
}


def build_architecture_config(recipe: ArchitectureRecipe, data: Path, devices: int = 1, classes: int = 19) -> Config:
    """Build the complete config.

    Args:
        recipe: Recipe of the architecture.
        data: Folder of Cityscapes with leftImg8bit/ and gtFine/. MMSegmentation needs its labelTrainIds files in it.
        devices: Number of processes that share a step.
        classes: Number of classes of the labels.

    Raises:
        UsageError: The devices can't share the batch evenly, the recipe has another number of classes, or it sets a
            value in a part that the config's model does not have.
        MissingExtraError: The extra `mmseg` is not installed.
    """
    recipe.check_device_count(devices)
    configs = Path(str(import_mmseg(f"the recipe {recipe.name}").__file__)).parent / ".mim" / "configs"
    try:
        config = Config.fromfile(configs / expand_home(recipe.config.value))
    except (OSError, SyntaxError) as error:
        raise UsageError(
            f"{recipe.name}: config: {recipe.config.value} can't be read in {configs} ({error})",
            "Give its path in that folder, such as fcn/fcn_r50-d8_4xb2-80k_cityscapes-512x1024.py.",
        ) from None
    if config.dataset_type != "CityscapesDataset":
        _use_cityscapes(config, configs)
    _configure_model(config.model, recipe, classes)
    _configure_data(config, recipe, data, recipe.data.batch.value // devices)
    schedule, wrapper = recipe.schedule, config.optim_wrapper
    wrapper.optimizer.update(
        type=schedule.optimizer.value, lr=schedule.learning_rate.value, weight_decay=schedule.weight_decay.value
    )
    config.optimizer = wrapper.optimizer
    if schedule.backbone_rate is not None:
        keys = wrapper.setdefault("paramwise_cfg", {}).setdefault("custom_keys", {})
        keys.setdefault("backbone", {})
        for key, rates in keys.items():
            if key.startswith("backbone"):
                rates["lr_mult"] = schedule.backbone_rate.value
    config.param_scheduler = _make_schedulers(schedule)
    config.train_cfg.max_iters = schedule.iterations.value
    if schedule.validate_every is not None:
        config.train_cfg.val_interval = schedule.validate_every.value
    if schedule.checkpoint_every is not None:
        config.default_hooks.checkpoint.interval = schedule.checkpoint_every.value
    # Necessary for all heads: these modules replace the parts of mmcv that are missing if it is not compiled.
    modules = [_MODULES["OodbenchMask2Former" if _has_queries(config.model) else "OodbenchHead"]]
    if recipe.data.class_balanced.value:
        modules += ["oodbench.training.balance", "oodbench.training.architectures.crop"]
    config.custom_imports = {"imports": modules}
    if recipe.head is not None:
        config.custom_hooks = [{"type": "OodbenchHeadHook"}]
    return config


def _has_queries(model: Any) -> bool:
    return "Mask2Former" in str(model.decode_head)


def _use_cityscapes(config: Config, configs: Path) -> None:
    """Replace the data of a config for another dataset with MMSegmentation's own for Cityscapes."""
    cityscapes = Config.fromfile(configs / _CITYSCAPES)
    for key, value in cityscapes.items():
        config[key] = value


def _configure_model(model: Any, recipe: ArchitectureRecipe, classes: int) -> None:
    for name, setting in recipe.network.items():
        if name.endswith("num_classes") and setting.value != classes:
            raise UsageError(
                f"{recipe.name}: network.{name} is {setting.value}; the labels of {recipe.data.dataset.value} have "
                f"{classes} classes",
                "Omit it. The number of classes is that of the labels.",
            )
        _set_model_value(model, name, setting.value, recipe.name)
    if recipe.start.value == "random":
        model.pretrained = model.backbone.init_cfg = None
    decoders = as_list(model.decode_head)
    for decoder in (*decoders, *as_list(model.get("auxiliary_head"))):
        if _has_queries(model) and decoder.num_classes != classes:
            decoder.loss_cls.class_weight = [1.0] * classes + [decoder.loss_cls.class_weight[-1]]
        decoder.num_classes = classes
    if _has_queries(model):
        for cost in decoders[-1].train_cfg.assigner.match_costs:
            if cost.type == "mmdet.CrossEntropyLossCost":
                cost.type = "mmdet.OodbenchMaskCost"
    inference = recipe.inference
    if inference.mode.value == "whole":
        model.test_cfg = {"mode": "whole"}
    else:
        window, stride = (2 * (side.value,) for side in (inference.window, inference.stride))
        model.test_cfg = {"mode": "slide", "crop_size": window, "stride": stride}
    model.data_preprocessor.size = recipe.data.crop.value
    if recipe.head is not None:
        last = decoders[-1]
        head = {
            "name": recipe.head.name.value,
            "parameters": {name: setting.value for name, setting in recipe.head.parameters.items()},
        }
        if _has_queries(model):
            last.update(type="OodbenchMask2Former", head=head)
        else:
            last.update(type="OodbenchHead", decoder=last.type, head=head)


def as_list(heads: Any) -> list[Any]:
    """Return the heads of a config as a list. The config has a list, one head or None."""
    return list(heads) if isinstance(heads, list) else [heads] if heads else []


def get_model_value(model: Any, name: str) -> Any:
    """Return the value at a dotted name of a config's `model`, or None if there is none.

    Args:
        model: The config's `model`.
        name: Dotted name, such as `decode_head.0.channels`.
    """
    value = model
    for key in name.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return value


def _set_model_value(model: Any, name: str, value: Any, recipe: str) -> None:
    """Set the value at a dotted name of the config's `model`."""
    outer, _, last = name.rpartition(".")
    parent = get_model_value(model, outer) if outer else model
    if not isinstance(parent, dict):
        raise UsageError(
            f"{recipe}: network.{name}: the config's model has no {outer}",
            "See the names in the config that 'oodbench train RECIPE --dry-run' prints.",
        )
    parent[last] = value


def _configure_data(config: Config, recipe: ArchitectureRecipe, root: Path, crops: int) -> None:
    data = recipe.data
    # A dataset that wraps another one has no separate pipeline.
    steps = {step.type: step for step in config.train_dataloader.dataset.get("pipeline", ())}
    for setting, fields, step in (
        (data.scale, "scale and ratio", "RandomResize"),
        (data.shortest, "shortest", "RandomChoiceResize"),
        (data.crop, "crop", "RandomCrop"),
        (data.flip, "flip", "RandomFlip"),
    ):
        if setting is not None and step not in steps:
            raise UsageError(
                f"{recipe.name}: data.{fields}: the config's training pipeline has no step {step} for it",
                f"Omit it. The pipeline's steps are: {', '.join(steps) or 'none'}.",
            )
    if data.scale is not None and data.ratio is not None:
        steps["RandomResize"].update(scale=data.scale.value, ratio_range=data.ratio.value)
    if data.shortest is not None:
        steps["RandomChoiceResize"].update(scales=list(data.shortest.value))
    steps["RandomCrop"].update(crop_size=data.crop.value, cat_max_ratio=data.most_of_a_class.value)
    if data.around_class is not None and data.around_class.value:
        steps["RandomCrop"].type = "OodbenchCropAround"
    steps["RandomFlip"].prob = data.flip.value
    config.train_pipeline = config.train_dataloader.dataset.pipeline
    config.train_dataloader.batch_size = crops
    if data.class_balanced.value:
        config.train_dataloader.sampler = {"type": "OodbenchBalancedSampler"}
    config.data_root, config.crop_size = str(root), data.crop.value
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        loader.dataset.data_root = str(root)
        for step in loader.dataset.pipeline:
            if step.type == "Resize":
                step.scale = recipe.inference.scale.value
    config.test_pipeline = config.test_dataloader.dataset.pipeline


def _make_schedulers(schedule: ArchitectureSchedule) -> list[dict[str, Any]]:
    iterations, warmup = schedule.iterations.value, schedule.warmup.value
    schedulers: list[dict[str, Any]] = []
    if warmup > 1:
        # MMSegmentation and the released config start at a millionth of the rate.
        schedulers.append({"type": "LinearLR", "start_factor": 1e-6, "by_epoch": False, "begin": 0, "end": warmup})
    if schedule.steps is not None:
        milestones = [round(share * iterations) for share in schedule.steps.value]
        return [*schedulers, {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.1, "by_epoch": False}]
    assert schedule.power is not None, "the recipe has steps or power"
    assert schedule.least is not None, "power comes with it"
    decay = {"type": "PolyLR", "power": schedule.power.value, "eta_min": schedule.least.value, "by_epoch": False}
    return [*schedulers, {**decay, "begin": warmup, "end": iterations}]
