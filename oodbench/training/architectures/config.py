"""A recipe of an architecture as a config of MMSegmentation: what `oodbench train` takes its parts from, and what
MMSegmentation's own `tools/train.py` takes whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config

from oodbench.errors import UsageError
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.architectures.recipe import ArchitectureRecipe, Schedule
from oodbench.training.devices import check_share

_CITYSCAPES = "_base_/datasets/cityscapes.py"
_PLUGS = {
    "OodbenchHead": "oodbench.segmenters.mmsegmentation.decoders",
    "OodbenchMask2Former": "oodbench.segmenters.mmsegmentation.mask2former",
}


def architecture_config(recipe: ArchitectureRecipe, data: Path, devices: int = 1, classes: int = 19) -> Config:
    """The whole config.

    Args:
        recipe: of `read_architecture_recipe`.
        data: where Cityscapes lies, with leftImg8bit/ and gtFine/ and MMSegmentation's labelTrainIds in it.
        devices: how many processes share a step.
        classes: how many the labels have.

    Raises:
        UsageError: the batch can't be shared out evenly; the recipe has another number of classes, or says something of
            a part that the config's network doesn't have.
        MissingExtraError: the extra `mmseg` is not installed.
    """
    check_share(recipe, devices)
    wheel = Path(str(import_mmseg(f"the recipe {recipe.name}").__file__)).parent / ".mim" / "configs"
    try:
        config = Config.fromfile(wheel / recipe.config.value)
    except (OSError, SyntaxError) as error:
        raise UsageError(
            f"{recipe.name}: config: {recipe.config.value} can't be read in {wheel} ({error})",
            "Its path there, such as fcn/fcn_r50-d8_4xb2-80k_cityscapes-512x1024.py.",
        ) from None
    if config.dataset_type != "CityscapesDataset":
        _to_cityscapes(config, wheel)
    _network(config.model, recipe, classes)
    _data(config, recipe, data, recipe.data.batch.value // devices)
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
    config.param_scheduler = _decay(schedule)
    config.train_cfg.max_iters = schedule.iterations.value
    if schedule.validate_every is not None:
        config.train_cfg.val_interval = schedule.validate_every.value
    if schedule.checkpoint_every is not None:
        config.default_hooks.checkpoint.interval = schedule.checkpoint_every.value
    # Without a head of ours too: these bring what MMSegmentation needs where no compiled mmcv is.
    modules = [_PLUGS["OodbenchMask2Former" if _has_queries(config.model) else "OodbenchHead"]]
    if recipe.data.class_balanced.value:
        modules += ["oodbench.training.balance", "oodbench.training.architectures.crop"]
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


def _network(model: Any, recipe: ArchitectureRecipe, classes: int) -> None:
    for name, said in recipe.network.items():
        if name.endswith("num_classes") and said.value != classes:
            raise UsageError(
                f"{recipe.name}: network.{name} is {said.value}; the labels of {recipe.data.dataset.value} have "
                f"{classes} classes",
                "Leave it out: the number of classes is that of the labels.",
            )
        _set(model, name, said.value, recipe.name)
    if recipe.start.value == "random":
        model.pretrained = model.backbone.init_cfg = None
    decoders = several(model.decode_head)
    for decoder in (*decoders, *several(model.get("auxiliary_head"))):
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
            "parameters": {name: said.value for name, said in recipe.head.parameters.items()},
        }
        if _has_queries(model):
            last.update(type="OodbenchMask2Former", head=head)
        else:
            last.update(type="OodbenchHead", decoder=last.type, head=head)


def several(heads: Any) -> list[Any]:
    """One or more of a config, or none."""
    return list(heads) if isinstance(heads, list) else [heads] if heads else []


def in_model(model: Any, name: str) -> Any:
    """What stands at a dotted name, `decode_head.0.channels`, in a config's `model`; None where nothing does."""
    place = model
    for key in name.split("."):
        try:
            place = place[int(key)] if isinstance(place, list) else place[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return place


def _set(model: Any, name: str, value: Any, recipe: str) -> None:
    """What stands at a dotted name, `decode_head.0.channels`, in the config's `model`."""
    outer, _, last = name.rpartition(".")
    place = in_model(model, outer) if outer else model
    if not isinstance(place, dict):
        raise UsageError(
            f"{recipe}: network.{name}: the config's model has no {outer}",
            "The names are those of its config of MMSegmentation, which oodbench train --dry-run prints.",
        )
    place[last] = value


def _data(config: Config, recipe: ArchitectureRecipe, where: Path, crops: int) -> None:
    data = recipe.data
    # A config may wrap its dataset.
    steps = {step.type: step for step in config.train_dataloader.dataset.get("pipeline", ())}
    for said, fields, step in (
        (data.scale, "scale and ratio", "RandomResize"),
        (data.shortest, "shortest", "RandomChoiceResize"),
        (data.crop, "crop", "RandomCrop"),
        (data.flip, "flip", "RandomFlip"),
    ):
        if said is not None and step not in steps:
            raise UsageError(
                f"{recipe.name}: data.{fields}: the config's training pipeline has no step {step} for it",
                f"It has {', '.join(steps) or 'none at all'}.",
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
    if warmup > 1:
        # A millionth at first: MMSegmentation's, and the released config's.
        parts.append({"type": "LinearLR", "start_factor": 1e-6, "by_epoch": False, "begin": 0, "end": warmup})
    if schedule.steps is not None:
        milestones = [round(share * iterations) for share in schedule.steps.value]
        return [*parts, {"type": "MultiStepLR", "milestones": milestones, "gamma": 0.1, "by_epoch": False}]
    assert schedule.power is not None, "the recipe says one of both"
    assert schedule.least is not None, "with it"
    decay = {"type": "PolyLR", "power": schedule.power.value, "eta_min": schedule.least.value, "by_epoch": False}
    return [*parts, {**decay, "begin": warmup, "end": iterations}]
