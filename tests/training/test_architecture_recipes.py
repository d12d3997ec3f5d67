"""The recipes of architectures: every field has a source, what is called a default is one, twins are what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from oodbench.errors import UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.segmenters.mmsegmentation.shims import import_mmseg
from oodbench.training.architectures.config import architecture_config
from oodbench.training.architectures.overrides import overrides
from oodbench.training.architectures.recipe import (
    ArchitectureRecipe,
    architecture_recipe_names,
    read_architecture_recipe,
)

WHEEL = Path(str(import_mmseg("the tests").__file__)).parent / ".mim" / "configs"
BASES = ["deeplabv3plus", "fcn", "mask2former", "ocrnet", "segformer", "upernet-swin"]
# MMEngine finds out by pkg_resources what is installed.
pytestmark = pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")


def steps(config: Any) -> dict[str, Any]:
    return {step.type: step for step in config.train_dataloader.dataset.pipeline}


def test_there_are_six_with_two_heads_and_a_small_twin_of_each() -> None:
    assert architecture_recipe_names() == sorted(
        f"{data}-{name}{head}" for data in ("cityscapes", "streets") for name in BASES for head in ("", "-gmmseg")
    )
    with pytest.raises(UnknownNameError, match="Did you mean 'cityscapes-fcn'"):
        read_architecture_recipe("cityscapes-fcnn")


# Depth, width, crop, batch, iterations, warm-up, rate, norm and start, and what they bring along.
_OVERRIDDEN = re.compile(
    r"start|network\..*|data\.(dataset|frames|validation_frames|scale|ratio|shortest|crop|batch|class_balanced|around_class)"
    r"|schedule\.(learning_rate|backbone_rate|iterations|warmup|validate_every|checkpoint_every)"
    r"|inference\.(scale|mode)|head\.parameters\.(memory|correct_only|mean_momentum|component_loss)"
)


@pytest.mark.parametrize("name", [f"{name}{head}" for name in BASES for head in ("", "-gmmseg")])
def test_a_small_twin_says_what_it_overrides(name: str) -> None:
    twin, full = (read_architecture_recipe(f"{data}-{name}") for data in ("streets", "cityscapes"))
    said = overrides(twin)
    assert all(_OVERRIDDEN.fullmatch(field) for field in said), said
    own, there = twin.sources(), full.sources()
    assert {field for field in own if field in there and own[field][0] != there[field][0]} == set(said) & set(there)
    assert all(
        full_size is not None
        for field, (full_size, *_) in said.items()
        if field.endswith((".channels", ".in_channels"))
    )
    assert there.keys() <= own.keys(), "what stands at full size stands here too"
    assert all(why.startswith("ours") for _, _, why in said.values())
    assert said["schedule.iterations"][:2] == (full.schedule.iterations.value, twin.schedule.iterations.value)
    assert overrides(full) == {}
    if twin.head is not None and full.head is not None:
        # As often as at full size all samples pass through a component's memory: 20 a step, or the queries that match.
        passes, expected = (
            recipe.schedule.iterations.value
            * (recipe.data.batch.value / 5 if "mask2former" in name else 20)
            / head.parameters["memory"].value
            for recipe, head in ((twin, twin.head), (full, full.head))
        )
        assert passes == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("name", [f"cityscapes-{name}" for name in BASES])
def test_what_is_called_a_default_is_the_config_s(name: str) -> None:
    recipe = read_architecture_recipe(name)
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
    called = {key: value for key, (value, source) in recipe.sources().items() if source.startswith("MMSeg")}
    assert called.pop("start") == "pretrained"
    assert called == {key: there[key] for key in called}
    assert "data.class_balanced" in called


@pytest.mark.parametrize("name", BASES)
def test_a_twin_differs_in_its_head_and_its_sampling_alone(name: str) -> None:
    base, twin = (read_architecture_recipe(f"cityscapes-{name}{end}").sources() for end in ("", "-gmmseg"))
    differs = {key for key in base.keys() | twin.keys() if base.get(key) != twin.get(key)}
    assert {key for key in differs if not key.startswith("head.")} == {"data.class_balanced"}
    assert "head.name" in differs
    chosen = read_architecture_recipe(f"cityscapes-{name}-gmmseg").head
    assert chosen is not None
    head = Registry().head(chosen.name.value, {key: said.value for key, said in chosen.parameters.items()})
    assert head.params.model_dump()["components"] == 5


@pytest.mark.parametrize("name", [name for name in architecture_recipe_names() if name.startswith("cityscapes")])
def test_a_recipe_becomes_a_config(name: str) -> None:
    recipe = read_architecture_recipe(name)
    config = architecture_config(recipe, Path("there"), devices=2)
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


def test_the_supplement_s_decay_of_mask2former() -> None:
    (decay,) = architecture_config(read_architecture_recipe("cityscapes-mask2former"), Path("there")).param_scheduler
    assert decay["milestones"] == [81000, 85500]


def test_warm_up_comes_before_the_decay() -> None:
    warm, decay = architecture_config(read_architecture_recipe("cityscapes-segformer"), Path("there")).param_scheduler
    assert (warm["end"], decay["begin"], decay["end"], decay["power"]) == (1500, 1500, 80000, 1.0)


def test_the_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = Path(__file__).parents[2] / "docs"
    page, twins = ((docs / name).read_text() for name in ("training.md", "twins.md"))
    (program,) = re.findall(r"```python\n(from .*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})  # noqa: S102  # our own page
    assert "schedule.learning_rate = 0.1   (supplement, S1 and S2)" in capsys.readouterr().out
    config = Config.fromfile("fcn-gmmseg.py")
    assert config.train_dataloader.batch_size == 2
    assert all(f"`cityscapes-{name}`" in page and f"`streets-{name}`" in twins for name in BASES)


def test_a_batch_that_devices_can_t_share() -> None:
    with pytest.raises(UsageError, match="a step has 8 crops, which 3 devices can't share"):
        architecture_config(read_architecture_recipe("cityscapes-fcn"), Path("there"), devices=3)


def test_a_source_is_one_of_the_known() -> None:
    said = read_architecture_recipe("cityscapes-fcn").model_dump()
    said["schedule"]["learning_rate"]["source"] = "a friend"
    with pytest.raises(ValueError, match="'a friend' is no source"):
        ArchitectureRecipe.model_validate(said)


def test_one_decay_and_not_two() -> None:
    said = read_architecture_recipe("cityscapes-fcn").model_dump()
    said["schedule"]["steps"] = {"value": (0.9,), "source": "ours"}
    with pytest.raises(ValueError, match="expected 'power' and 'least', or 'steps'"):
        ArchitectureRecipe.model_validate(said)
