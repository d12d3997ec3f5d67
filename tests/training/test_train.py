"""Training, by a recipe that takes seconds: a world of small frames."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from oodbench.contracts import Roots
from oodbench.errors import DataError, ModelError, RunFolderError, UnknownNameError, UsageError
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.storage.local import LocalStore
from oodbench.training.crops import Crops
from oodbench.training.devices import keep_memory
from oodbench.training.hooks import save_state
from oodbench.training.recipe import Recipe, read_recipe, recipe_names
from oodbench.training.train import Options, train
from oodbench.types import VOID

PLUGIN = Path(__file__).parents[1] / "helpers" / "block_plugins.py"


def recipe(head: str = "gmmseg", *, iterations: int = 6, **parameters: object) -> Recipe:
    chosen = {"components": 2, "memory": 30, **parameters} if head == "gmmseg" else {}
    return Recipe.model_validate(
        {
            "name": f"blocks-{head}",
            "title": "Blocks",
            "network": "compact",
            "head": {"name": head, "parameters": chosen},
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


def run(chosen: Recipe, out: Path, **options: object) -> Path:
    return train(chosen, out, Silent(), roots=Roots(), options=Options(plugins=[PLUGIN], **options))  # type: ignore[arg-type]


def log(out: Path) -> list[Mapping[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("head", ["softmax", "gmmseg"])
def test_a_recipe_becomes_a_network_that_runs(head: str, tmp_path: Path) -> None:
    file = run(recipe(head), tmp_path / "out")
    network = Registry().adapter(str(file)).open(str(file), None, "cpu")
    assert network.trained_on == "blocks"
    assert network.expected.miou is not None
    assert ("class_log_density" in network.capabilities.extras) == (head == "gmmseg")
    last = log(tmp_path / "out")[-1]
    assert last["iteration"] == 6
    assert {"loss", "miou", "learning_rate"} <= last.keys()
    if head == "gmmseg":
        assert last["estimations"] == 2  # steps 0 and 5
        assert 1 <= last["components in use"] <= 2
        assert 0 < last["memory fill"] <= 1
        assert last["least variance"] >= 0.01
        assert not any("memory" in name for name in safetensors.torch.load_file(file))


class KilledError(Exception):
    """Stands in for a kill."""


def test_a_stopped_training_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(recipe(), tmp_path / "whole")
    read = Crops.__getitem__

    def stop_at_four(self: Crops, step: int) -> object:
        if step == 5:
            raise KilledError
        return read(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(Crops, "__getitem__", stop_at_four)
        with pytest.raises(KilledError):
            run(recipe(), tmp_path / "parts")
    resumed = run(recipe(), tmp_path / "parts")
    first, second = safetensors.torch.load_file(whole), safetensors.torch.load_file(resumed)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert [entry["iteration"] for entry in log(tmp_path / "parts")] == [2, 4, 6]
    again = run(recipe(), tmp_path / "parts")
    assert again.read_bytes() == whole.read_bytes()


def test_a_folder_of_another_training_is_refused(tmp_path: Path) -> None:
    run(recipe(iterations=2), tmp_path / "out")
    with pytest.raises(RunFolderError, match="belongs to another training"):
        run(recipe(iterations=2), tmp_path / "out", seed=1)
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(RunFolderError, match="not a checkpoint"):
        run(recipe(iterations=2), tmp_path / "out")


def test_a_folder_that_is_a_file_or_in_use_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file: can't be written"):
        run(recipe(iterations=2), tmp_path / "file")
    with (
        LocalStore(tmp_path / "out").lock(),
        pytest.raises(RunFolderError, match="another oodbench process is at work"),
    ):
        run(recipe(iterations=2), tmp_path / "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this torch sees no GPU"):
        run(recipe(), tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()


def test_a_torn_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    run(recipe(iterations=2), tmp_path / "out")
    checkpoint = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    checkpoint["iteration"] = 1
    torch.save(checkpoint, tmp_path / "out" / "checkpoint.pt")
    with (tmp_path / "out" / "log.jsonl").open("a") as file:
        file.write('{"iteration": 1, "lo')
    run(recipe(iterations=2), tmp_path / "out")
    assert [entry["iteration"] for entry in log(tmp_path / "out")] == [2]


def test_the_embedded_recipes_differ_in_their_head_alone() -> None:
    first, second, third = (read_recipe(f"streets-{name}") for name in ("softmax", "gmmseg", "frozen"))
    assert first.data == second.data == third.data
    assert first.schedule == second.schedule == third.schedule
    parameters = dict(second.head.parameters)
    assert parameters.pop("component_loss") == 0
    assert third.head.parameters == parameters | {"frozen": True}


def test_seeds_give_other_weights_and_one_seed_the_same(tmp_path: Path) -> None:
    files = [run(recipe(iterations=2), tmp_path / str(n), seed=seed) for n, seed in enumerate((0, 0, 1))]
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_weights_of_another_architecture_are_named(tmp_path: Path) -> None:
    file = run(recipe(iterations=2), tmp_path / "gmm")
    card = file.with_suffix(".toml")
    good = card.read_text()

    def opening(text: str) -> None:
        card.write_text(text)
        Registry().adapter(str(file)).open(str(file), None, "cpu")

    with pytest.raises(ModelError, match="not the weights of this architecture with the head 'softmax'"):
        opening(good.replace('name = "gmmseg"', 'name = "softmax"').split("[head.parameters]")[0]
                + "[training]" + good.split("[training]")[1])  # fmt: skip
    with pytest.raises(UsageError, match="component"):
        opening(good.replace("components = 2", "components = 0"))
    with pytest.raises(UnknownNameError, match="Did you mean 'gmmseg'"):
        opening(good.replace('name = "gmmseg"', 'name = "gmseg"'))
    state = safetensors.torch.load_file(file)
    state["decoder.from_deep.bias"][0] = float("nan")
    safetensors.torch.save_file(state, file)
    with pytest.raises(ModelError, match=r"'decoder.from_deep.bias' holds NaN"):
        opening(good)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="not a readable safetensors file"):
        opening(good)
    card.unlink()
    with pytest.raises(ModelError, match="no such model card"):
        Registry().adapter(str(file)).open(str(file), None, "cpu")


def test_crops_depend_on_the_seed_and_the_step_alone() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]
    data = recipe().data
    first, second = (Crops(found, data, 3, 20)[7] for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert first[0].shape == (2, 3, 32, 48)
    assert first[1].shape == (2, 32, 48)
    assert not torch.equal(first[0], Crops(found, data, 4, 20)[7][0])


def test_balanced_crops_show_rare_classes_more_often() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]

    def rare(balanced: float) -> float:
        crops = Crops(found, recipe().data.model_copy(update={"balanced": balanced}), 0, 150)
        return float(np.mean([(label == 5).any() for step in range(150) for label in crops[step][1]]))

    assert rare(1.0) > rare(0.0) + 0.03


def test_about_as_many_labels_stay_as_wanted_and_more_of_the_rare() -> None:
    found = Registry([PLUGIN]).dataset("blocks").open(Roots())["train"]

    def kept(evenness: float) -> tuple[float, float]:
        data = recipe().data.model_copy(update={"evenness": evenness, "balanced": 0.0})
        whole = data.model_copy(update={"labels": 10**9})
        both = [np.stack([Crops(found, choice, 0, 40)[step][1] for step in range(40)]) for choice in (whole, data)]
        counts = [np.bincount(labels.ravel(), minlength=256)[:6] for labels in both]
        return float(counts[1].sum() / 40), float(counts[1][5] / counts[0][5])

    (few, share), (_, more) = kept(0.0), kept(1.0)
    assert 900 < few < 1100
    assert share < 0.5 < more


def test_every_recipe_is_one_and_names_data_that_is_there() -> None:
    assert {"streets-softmax", "streets-gmmseg"} <= set(recipe_names())
    for name in recipe_names():
        chosen = read_recipe(name)
        assert chosen.name == name
        Registry().head(chosen.head.name, chosen.head.parameters)
        assert chosen.data.train in Registry().dataset(chosen.data.dataset).open(Roots())


def test_what_is_wrong_with_a_recipe_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'streets-gmmseg'"):
        read_recipe("streets-gmseg")
    file = tmp_path / "mine.toml"
    file.write_text("name = 3\n[head]\n")
    with pytest.raises(UsageError, match=r"mine\.toml"):
        read_recipe(str(file))
    file.write_text("name = ")
    with pytest.raises(UsageError, match="not a readable TOML file"):
        read_recipe(str(file))
    wrong = recipe().model_copy(update={"data": recipe().data.model_copy(update={"validation": "nights"})})
    with pytest.raises(
        DataError, match="has no split 'nights', which the recipe blocks-gmmseg needs; it has train, val"
    ):
        run(wrong, tmp_path / "out")


def test_void_is_what_the_losses_leave_out() -> None:
    head = Registry().head("softmax", {}).build(4, 3)
    output = head(torch.randn(1, 4, 2, 2))
    labels = torch.full((1, 8, 8), VOID)
    assert head.loss(output, labels)["loss_segmentation"].item() == 0  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_goes_wrong_while_a_state_is_saved_is_said_as_it_is(wrong: BaseException, tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise wrong
            return super().write(data)

    state = {"network": torch.zeros(1000), "iteration": 3}
    with pytest.raises(type(wrong)) as raised:
        save_state(state, Full())
    assert raised.value is wrong
    with (tmp_path / "whole.pt").open("wb") as file:
        save_state(state, file)
    assert torch.load(tmp_path / "whole.pt", weights_only=True)["iteration"] == 3


def test_glibc_is_told_to_keep_pages_and_nothing_else_is_told_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    glibc = SimpleNamespace(mallopt=lambda *setting: told.append(setting))
    monkeypatch.setattr("ctypes.CDLL", lambda name: glibc)
    keep_memory()
    # malloc.h has these numbers; sizes are C's int.
    m_trim_threshold, m_mmap_threshold = -1, -3
    assert dict(told) == {m_mmap_threshold: 32 * 2**20, m_trim_threshold: 2**31 - 1}
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    keep_memory()
    assert len(told) == 2
