"""Recipes of architectures: sources, defaults, and the overrides of reduced recipes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from oodbench.errors import UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.architectures.config import build_architecture_config
from oodbench.training.architectures.overrides import list_overrides
from oodbench.training.architectures.recipe import (
    ArchitectureRecipe,
    list_architecture_recipes,
    load_architecture_recipe,
)

WHEEL = Path(str(import_mmseg("the tests").__file__)).parent / ".mim" / "configs"
BASES = ["deeplabv3plus", "fcn", "mask2former", "ocrnet", "segformer", "upernet-swin"]
# MMEngine uses pkg_resources to list installed packages.
pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")


def steps(config: Any) -> dict[str, Any]:
    return {step.type: step for step in config.train_dataloader.dataset.pipeline}


def test_six_architectures_have_two_heads_and_reduced_recipes() -> None:
    assert list_architecture_recipes() == sorted(
        f"{data}-{name}{head}" for data in ("cityscapes", "streets") for name in BASES for head in ("", "-gmmseg")
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'cityscapes-fcn'"):
        load_architecture_recipe("cityscapes-fcnn")


# Depth, width, crop, batch, iterations, warm-up, rate, norm and initial weights, and values that depend on these.
_OVERRIDDEN = re.compile(
    r"start|network\..*|data\.(dataset|frames|validation_frames|scale|ratio|shortest|crop|batch|class_balanced|around_class)"
    r"|schedule\.(learning_rate|backbone_rate|iterations|warmup|validate_every|checkpoint_every)"
    r"|inference\.(scale|mode)|head\.parameters\.(memory|correct_only|mean_momentum|component_loss)"
)


@pytest.mark.parametrize("name", [f"{name}{head}" for name in BASES for head in ("", "-gmmseg")])
def test_overrides_list_every_difference_of_a_reduced_recipe(name: str) -> None:
    reduced, full = (load_architecture_recipe(f"{data}-{name}") for data in ("streets", "cityscapes"))
    overrides = list_overrides(reduced)
    assert all(_OVERRIDDEN.fullmatch(field) for field in overrides), overrides
    own, there = reduced.settings(), full.settings()
    differ = {field for field in own if field in there and own[field][0] != there[field][0]}
    assert differ == set(overrides) & set(there)
    assert all(
        full_size is not None
        for field, (full_size, *_) in overrides.items()
        if field.endswith((".channels", ".in_channels"))
    )
    assert there.keys() <= own.keys(), "a reduced recipe has all fields of the full-size one"
    assert all(why.startswith("ours") for _, _, why in overrides.values())
    assert overrides["schedule.iterations"][:2] == (
        full.schedule.iterations.value,
        reduced.schedule.iterations.value,
    )
    assert list_overrides(full) == {}
    if reduced.head is not None and full.head is not None:
        # The samples fill a component's memory as often as at full size. There are 20 per step, or the matched queries.
        passes, expected = (
            recipe.schedule.iterations.value
            * (recipe.data.batch.value / 5 if "mask2former" in name else 20)
            / head.parameters["memory"].value
            for recipe, head in ((reduced, reduced.head), (full, full.head))
        )
        assert passes == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", [f"cityscapes-{name}" for name in BASES])
def test_values_with_a_default_as_source_equal_the_config(name: str) -> None:
    recipe = load_architecture_recipe(name)
    default = Config.fromfile(WHEEL / recipe.config.value)
    decay = default.param_scheduler[-1]
    assert default.model.backbone.get("init_cfg") or default.model.pretrained
    there = {
        "data.crop": default.get("crop_size"),
        "data.most_of_a_class": steps(default)["RandomCrop"].cat_max_ratio,
        "data.flip": steps(default)["RandomFlip"].prob,
        "data.class_balanced": "Balanced" in default.train_dataloader.sampler.type,
        "schedule.warmup": decay.begin,
        "schedule.power": decay.power,
        "schedule.least": decay.eta_min,
        "inference.scale": next(s.scale for s in default.test_dataloader.dataset.pipeline if s.type == "Resize"),
    }
    if "RandomResize" in steps(default):
        there |= {
            "data.scale": steps(default)["RandomResize"].scale,
            "data.ratio": steps(default)["RandomResize"].ratio_range,
        }
    called = {key: value for key, (value, source) in recipe.settings().items() if source.startswith("MMSeg")}
    assert called.pop("start") == "pretrained"
    assert called == {key: there[key] for key in called}
    assert "data.class_balanced" in called


@pytest.mark.parametrize("name", BASES)
def test_recipes_with_gmmseg_differ_only_in_head_and_sampling(name: str) -> None:
    base, gmmseg = (load_architecture_recipe(f"cityscapes-{name}{end}").settings() for end in ("", "-gmmseg"))
    differs = {key for key in base.keys() | gmmseg.keys() if base.get(key) != gmmseg.get(key)}
    assert {key for key in differs if not key.startswith("head.")} == {"data.class_balanced"}
    assert "head.name" in differs
    chosen = load_architecture_recipe(f"cityscapes-{name}-gmmseg").head
    assert chosen is not None
    head = Registry().head(chosen.name.value, {key: setting.value for key, setting in chosen.parameters.items()})
    assert head.params.model_dump()["components"] == 5


@pytest.mark.parametrize("name", [name for name in list_architecture_recipes() if name.startswith("cityscapes")])
def test_a_recipe_gives_a_config(name: str) -> None:
    recipe = load_architecture_recipe(name)
    config = build_architecture_config(recipe, Path("there"), devices=2)
    data, schedule = recipe.data, recipe.schedule
    assert config.train_dataloader.batch_size == data.batch.value // 2
    assert {config[f"{part}_dataloader"].dataset.type for part in ("train", "val", "test")} == {"CityscapesDataset"}
    assert {config[f"{part}_dataloader"].dataset.data_root for part in ("train", "val", "test")} == {"there"}
    assert steps(config)["RandomCrop"].crop_size == data.crop.value == config.model.data_preprocessor["size"]
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr) == (schedule.optimizer.value, schedule.learning_rate.value)
    assert optimizer.weight_decay == schedule.weight_decay.value
    assert config.train_cfg.max_iters == schedule.iterations.value
    decoders = config.model.decode_head if isinstance(config.model.decode_head, list) else [config.model.decode_head]
    assert {decoder.num_classes for decoder in decoders} == {19}
    ours = name.endswith("-gmmseg")
    assert decoders[-1].type.startswith("Oodbench") == ours
    assert ("custom_hooks" in config) == ours
    assert config.custom_imports["imports"][0].startswith("oodbench.segmenters.mmsegmentation.")
    assert ("oodbench.training.balance" in config.custom_imports["imports"]) == ours
    assert (config.train_dataloader.sampler["type"] == "OodbenchBalancedSampler") == ours
    Config.fromstring(config.pretty_text, ".py")


def test_mask2former_uses_the_decay_of_the_supplement() -> None:
    config = build_architecture_config(load_architecture_recipe("cityscapes-mask2former"), Path("there"))
    (decay,) = config.param_scheduler
    assert decay["milestones"] == [81000, 85500]


def test_warm_up_comes_before_the_decay() -> None:
    config = build_architecture_config(load_architecture_recipe("cityscapes-segformer"), Path("there"))
    warm, decay = config.param_scheduler
    assert (warm["end"], decay["begin"], decay["end"], decay["power"]) == (1500, 1500, 80000, 1.0)


def test_a_recipe_becomes_a_config_file(tmp_path: Path) -> None:
    recipe = load_architecture_recipe("cityscapes-fcn-gmmseg")
    assert recipe.settings()["schedule.learning_rate"] == (0.1, "supplement, S1 and S2")
    build_architecture_config(recipe, Path("data/cityscapes"), devices=4).dump(str(tmp_path / "fcn-gmmseg.py"))
    config = Config.fromfile(tmp_path / "fcn-gmmseg.py")
    assert config.train_dataloader.batch_size == 2


def test_the_documentation_names_all_architectures() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page, reduced = ((docs / name).read_text() for name in ("how-to/train.md", "measurements/reduced-recipes.md"))
    assert all(f"`cityscapes-{name}`" in page and f"`streets-{name}`" in reduced for name in BASES)


def test_devices_that_do_not_divide_the_batch_are_an_error() -> None:
    with pytest.raises(UsageError, match="a step has 8 crops, which 3 devices can't share"):
        build_architecture_config(load_architecture_recipe("cityscapes-fcn"), Path("there"), devices=3)


def test_unknown_sources_are_errors() -> None:
    content = load_architecture_recipe("cityscapes-fcn").model_dump(by_alias=True)
    content["schedule"]["learning_rate"]["source"] = "a friend"
    with pytest.raises(ValueError, match="'a friend' is not a source"):
        ArchitectureRecipe.model_validate(content)


def test_two_decays_are_an_error() -> None:
    content = load_architecture_recipe("cityscapes-fcn").model_dump(by_alias=True)
    content["schedule"]["steps"] = {"value": (0.9,), "source": "ours"}
    with pytest.raises(ValueError, match="expected 'power' and 'least', or 'steps'"):
        ArchitectureRecipe.model_validate(content)
