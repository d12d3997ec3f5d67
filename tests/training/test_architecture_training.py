"""Training of architectures of MMSegmentation: results, errors, resuming and dry runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch

from oodbench.contracts import Needs, Roots
from oodbench.errors import TrainingError
from oodbench.registry import Registry
from oodbench.training.catalogue import load_recipe
from oodbench.training.data import find_data
from oodbench.training.dry_run import describe_training
from oodbench.training.hooks import GuardHook
from oodbench.training.options import TrainingOptions
from oodbench.training.sampling import TransformedDraws
from oodbench.training.train import make_job
from oodbench.types import SegmenterOutput
from tests.helpers.bundled_recipe import read_log
from tests.helpers.devices import DEVICES
from tests.helpers.small_recipe import PLUGINS, QUIET, load_weights, run_recipe, weights_equal, write_recipe

pytestmark = QUIET


@pytest.mark.parametrize("device", DEVICES)  # on a GPU in half precision
@pytest.mark.parametrize("head", ["", "-gmmseg"])
def test_a_recipe_gives_a_network_that_runs(head: str, device: Literal["cpu", "cuda"], tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    config = run_recipe(write_recipe(tmp_path, head), tmp_path / "out", device=device, amp=device == "cuda")
    assert torch.get_num_threads() == threads, "another number of threads changes the last bits of sums"
    network, on_cpu = (Registry().adapter(str(config)).open(str(config), None, where) for where in (device, "cpu"))
    needs = Needs(logits=True, extras=network.capabilities.extras)
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    outputs = [each.forward([each.prepare(image)], needs) for each in (network, on_cpu)]
    for values, same_values in zip(*map(tensors, outputs), strict=True):
        assert torch.allclose(values.cpu(), same_values, atol=1e-3 * float(same_values.abs().max()))
    assert (network.name, network.trained_on) == ("small", "blocks")
    assert network.expected.miou is not None
    assert ("class_log_density" in network.capabilities.extras) == (head == "-gmmseg")
    assert not any("memory" in name for name in load_weights(config))
    lines = read_log(tmp_path / "out")
    assert [entry["iteration"] for entry in lines if "miou" in entry] == [4, 6]
    if head:
        # A frame has at most three of the 19 classes, so most classes are missing from each batch.
        assert {"decode.loss_segmentation", "memory fill", "estimations"} <= lines[-1].keys()


def tensors(output: SegmenterOutput) -> list[torch.Tensor]:
    assert output.class_maps is not None
    return [output.class_maps.values, *output.extras.values()]


class KilledError(Exception):
    """Simulates a kill."""


# The preset `paper` samples the points of the memory randomly.
@pytest.mark.parametrize("preset", ["authors", "paper"])
def test_a_resumed_training_gives_the_same_weights(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_recipe(tmp_path, more=f'preset = {{ value = "{preset}", source = "ours" }}\n')
    whole = run_recipe(path, tmp_path / "whole")
    read = TransformedDraws.__getitem__

    def stop_at_five(self: TransformedDraws, draw: int) -> object:
        if draw == 5 * 2:
            raise KilledError
        return read(self, draw)

    with monkeypatch.context() as patched:
        patched.setattr(TransformedDraws, "__getitem__", stop_at_five)
        with pytest.raises(KilledError):
            run_recipe(path, tmp_path / "parts")
    resumed = run_recipe(path, tmp_path / "parts", resume=True)
    assert weights_equal(whole, resumed)
    first, second = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["network"] for name in ("whole", "parts")
    )
    assert any("memory.points" in name for name in first)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(
    ("where", "at", "problem", "last"),
    [
        ("loss", 5, "step 5: loss is nan, decode.loss_segmentation is nan", 4),
        # A checkpoint would be written after this step.
        ("gradient", 4, "step 4: the losses are finite, and the weights after it are not", 2),
    ],
)
def test_nan_stops_the_training_and_the_last_good_checkpoint_is_kept(
    where: str, at: int, problem: str, last: int, tmp_path: Path
) -> None:
    breaks = f"""
[head]
name = {{ value = "breaks", source = "ours" }}

[head.parameters]
at = {{ value = {at}, source = "ours" }}
where = {{ value = "{where}", source = "ours" }}
"""
    with pytest.raises(TrainingError) as stopped:
        run_recipe(write_recipe(tmp_path, "", more=breaks), tmp_path / "out")
    assert stopped.value.problem.startswith(problem)
    assert "train-" in stopped.value.problem
    assert "checkpoint.pt has an earlier one" in stopped.value.problem
    kept = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert kept["iteration"] == last
    assert all(value.isfinite().all() for value in kept["network"].values())


def test_non_finite_gradients_in_half_precision_stop_the_training(tmp_path: Path) -> None:
    network, scaler = torch.nn.Linear(2, 1), torch.amp.GradScaler("cpu", init_scale=2.0**-9)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    runner: Any = SimpleNamespace(
        model=network, iter=6, optim_wrapper=SimpleNamespace(optimizer=optimizer, loss_scaler=scaler)
    )
    guard, batch = GuardHook(tmp_path / "checkpoint.pt"), {"data_samples": []}
    for step in range(3):
        loss = network(torch.ones(1, 2)).sum()
        optimizer.zero_grad()
        scaler.scale(loss + (0 * loss).sqrt()).backward()
        scaler.step(optimizer)
        scaler.update()
        runner.iter = step
        if step < 1:
            guard.after_train_iter(runner, step, batch, {"loss": loss})  # a few skipped steps are normal
    with pytest.raises(TrainingError, match=r"step 3: the losses are finite, and in half precision no gradient"):
        guard.after_train_iter(runner, 2, batch, {"loss": loss})


def test_a_dry_run_describes_the_training_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = list(
        describe_training(load_recipe("streets-segformer-gmmseg"), roots=Roots(), options=TrainingOptions(device="cpu"))
    )
    text = "\n".join(lines)
    assert "reduced from cityscapes-segformer-gmmseg; " in text
    assert "schedule.learning_rate: 6e-05 -> " in text
    assert "head.parameters.memory: 32000 -> " in text
    assert "data: train, 2000 frames" in text
    assert "type='OodbenchHead'" in text
    assert lines[-1].startswith("training: ")
    assert lines[-2].startswith("step: ")
    assert lines[-3].startswith("memory: ")
    found = list(
        describe_training(
            load_recipe(str(write_recipe(tmp_path))), roots=Roots(), options=TrainingOptions(plugins=PLUGINS)
        )
    )
    assert "data: train, 6 frames" in found
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_an_example_smaller_than_a_step_is_not_padded_to_whole_crops(tmp_path: Path) -> None:
    chosen = load_recipe(str(write_recipe(tmp_path)))
    job = make_job(chosen, find_data(chosen, Roots(), PLUGINS), TrainingOptions(), "cpu")
    batch, share = job.make_example(2048)
    assert share == 0.25
    preprocessor: Any = job.model.data_preprocessor
    assert preprocessor(batch, True)["inputs"].shape == (2, 3, 32, 32)


def test_a_dry_run_needs_no_data(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    path.write_text(path.read_text().replace('value = "blocks"', 'value = "cityscapes"'))
    lines = list(
        describe_training(load_recipe(str(path)), roots=Roots((tmp_path,)), options=TrainingOptions(device="cpu"))
    )
    assert any(line.startswith("data: ") and line.endswith("; a training needs it") for line in lines)
    assert lines[-1].startswith("training: 6 steps")
    compact = list(
        describe_training(load_recipe("streets-softmax"), roots=Roots(), options=TrainingOptions(device="cpu"))
    )
    assert compact[-1].startswith("training: 4000 steps")
