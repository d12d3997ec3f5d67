"""Training of the compact network, by a recipe that takes seconds."""

from __future__ import annotations

import errno
import hashlib
import io
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors.torch
import torch

from oodbench.contracts import Roots
from oodbench.errors import DataError, ModelError, RunFolderError, StopRequestedError, UnknownNameError, UsageError
from oodbench.registry import Registry
from oodbench.stopping import clear_stop, request_stop
from oodbench.storage.local import LocalStore
from oodbench.training.bundled_recipe import list_bundled_recipes, load_bundled_recipe
from oodbench.training.checkpoint import read_checkpoint, save_state
from oodbench.training.crop_batches import CropBatches
from oodbench.training.devices import keep_freed_memory
from oodbench.training.hooks import LogHook
from oodbench.types import VOID
from tests.helpers.bundled_recipe import make_bundled_recipe, read_log, run_bundled_recipe


@pytest.mark.parametrize("head", ["softmax", "gmmseg"])
def test_a_recipe_gives_a_network_that_runs(head: str, tmp_path: Path) -> None:
    file = run_bundled_recipe(make_bundled_recipe(head), tmp_path / "out")
    network = Registry().adapter(str(file)).open(str(file), None, "cpu")
    assert network.trained_on == "blocks"
    assert network.expected.miou is not None
    assert ("class_log_density" in network.capabilities.extras) == (head == "gmmseg")
    last = read_log(tmp_path / "out")[-1]
    assert last["iteration"] == 6
    assert {"loss", "miou", "learning_rate"} <= last.keys()
    if head == "gmmseg":
        assert last["estimations"] == 2  # steps 0 and 5
        assert 1 <= last["components in use"] <= 2
        assert 0 < last["memory fill"] <= 1
        assert last["least variance"] >= 0.01
        assert not any("memory" in name for name in safetensors.torch.load_file(file))


class KilledError(Exception):
    """Simulates a kill."""


def test_a_resumed_training_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_bundled_recipe(make_bundled_recipe(), tmp_path / "whole")
    read = CropBatches.__getitem__

    def stop_at_four(self: CropBatches, step: int) -> object:
        if step == 5:
            raise KilledError
        return read(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(CropBatches, "__getitem__", stop_at_four)
        with pytest.raises(KilledError):
            run_bundled_recipe(make_bundled_recipe(), tmp_path / "parts")
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / "parts" / "validation" / f".oodbench-{host}-{ended.pid}-abc.part"
    left.touch()
    monkeypatch.setattr("oodbench.files._clean", set())  # as in another process
    resumed = run_bundled_recipe(make_bundled_recipe(), tmp_path / "parts")
    first, second = safetensors.torch.load_file(whole), safetensors.torch.load_file(resumed)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert [entry["iteration"] for entry in read_log(tmp_path / "parts")] == [2, 4, 6]
    assert not left.exists()
    again = run_bundled_recipe(make_bundled_recipe(), tmp_path / "parts")
    assert again.read_bytes() == whole.read_bytes()


def test_a_requested_stop_writes_a_checkpoint_and_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = run_bundled_recipe(make_bundled_recipe(iterations=3), tmp_path / "whole")
    request_stop()
    with pytest.raises(StopRequestedError, match="stopped after a batch"):
        run_bundled_recipe(make_bundled_recipe(iterations=3), tmp_path / "parts")
    assert torch.load(tmp_path / "parts" / "checkpoint.pt", weights_only=True)["iteration"] == 1
    resumed = run_bundled_recipe(make_bundled_recipe(iterations=3), tmp_path / "parts")
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_stop_during_the_last_step_lets_the_training_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "whole")
    log = LogHook.after_train_iter

    def request_at_the_end(self: LogHook, runner: Any, *batch: Any, **more: Any) -> None:
        log(self, runner, *batch, **more)
        if runner.iter + 1 == runner.max_iters:
            request_stop()

    monkeypatch.setattr(LogHook, "after_train_iter", request_at_the_end)
    stopped = run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")
    clear_stop()
    assert stopped.read_bytes() == whole.read_bytes()


def test_a_damaged_checkpoint_is_an_error(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    state = dict.fromkeys(("seed", "iteration", "network", "optimizer", "schedulers"), 0)
    torch.save({**state, "recipe": "{}", "random": [{"cpu": torch.arange(999)}]}, checkpoint)
    assert read_checkpoint(checkpoint) is not None
    data = bytearray(checkpoint.read_bytes())
    position = data.index(torch.arange(40, 44).numpy().tobytes())
    data[position] ^= 1
    checkpoint.write_bytes(data)
    with pytest.raises(RunFolderError, match=r"checkpoint\.pt: not a checkpoint .* does not have its checksum"):
        read_checkpoint(checkpoint)


def test_a_folder_of_another_training_is_an_error(tmp_path: Path) -> None:
    run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")
    with pytest.raises(RunFolderError, match="belongs to another training"):
        run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out", seed=1)
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(RunFolderError, match="not a checkpoint"):
        run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")


def test_a_folder_that_is_a_file_or_in_use_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file: can't be written"):
        run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "file")
    with (
        LocalStore(tmp_path / "out").lock(),
        pytest.raises(RunFolderError, match="another oodbench process uses this folder"),
    ):
        run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this torch sees no GPU"):
        run_bundled_recipe(make_bundled_recipe(), tmp_path / "out", device="cuda")
    assert not (tmp_path / "out").exists()


def test_an_incomplete_line_of_the_log_is_dropped(tmp_path: Path) -> None:
    run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")
    checkpoint = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    checkpoint["iteration"] = 1
    torch.save(checkpoint, tmp_path / "out" / "checkpoint.pt")
    with (tmp_path / "out" / "log.jsonl").open("a") as file:
        file.write('{"iteration": 1, "lo')
    run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "out")
    assert [entry["iteration"] for entry in read_log(tmp_path / "out")] == [2]


def test_the_recipes_of_the_bundled_models_differ_only_in_their_head() -> None:
    first, second, third = (load_bundled_recipe(f"streets-{name}") for name in ("softmax", "gmmseg", "frozen"))
    assert first.data == second.data == third.data
    assert first.schedule == second.schedule == third.schedule
    parameters = dict(second.head.parameters)
    assert parameters.pop("component_loss") == 0
    assert third.head.parameters == parameters | {"frozen": True}


def test_the_seed_determines_the_weights(tmp_path: Path) -> None:
    recipe = make_bundled_recipe(iterations=2)
    files = [run_bundled_recipe(recipe, tmp_path / str(n), seed=seed) for n, seed in enumerate((0, 0, 1))]
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


def test_invalid_weights_and_cards_are_errors(tmp_path: Path) -> None:
    file = run_bundled_recipe(make_bundled_recipe(iterations=2), tmp_path / "gmm")
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


def test_every_recipe_is_valid_and_its_data_exists() -> None:
    assert {"streets-softmax", "streets-gmmseg"} <= set(list_bundled_recipes())
    for name in list_bundled_recipes():
        chosen = load_bundled_recipe(name)
        assert chosen.name == name
        Registry().head(chosen.head.name, chosen.head.parameters)
        assert chosen.data.train in Registry().dataset(chosen.data.dataset).open(Roots())


def test_errors_name_the_problem_of_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'streets-gmmseg'"):
        load_bundled_recipe("streets-gmseg")
    file = tmp_path / "mine.toml"
    file.write_text("name = 3\n[head]\n")
    with pytest.raises(UsageError, match=r"mine\.toml"):
        load_bundled_recipe(str(file))
    file.write_text("name = ")
    with pytest.raises(UsageError, match="not a readable TOML file"):
        load_bundled_recipe(str(file))
    recipe = make_bundled_recipe()
    wrong = recipe.model_copy(update={"data": recipe.data.model_copy(update={"validation": "nights"})})
    with pytest.raises(
        DataError, match="has no split 'nights', which the recipe blocks-gmmseg needs; it has train, val"
    ):
        run_bundled_recipe(wrong, tmp_path / "out")


def test_losses_ignore_void() -> None:
    head = Registry().head("softmax", {}).build(4, 3)
    output = head(torch.randn(1, 4, 2, 2))
    labels = torch.full((1, 8, 8), VOID)
    assert head.loss(output, labels)["loss_segmentation"].item() == 0  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_error_while_saving_a_state_is_raised_unchanged(wrong: BaseException, tmp_path: Path) -> None:
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


def test_memory_settings_are_passed_to_glibc_only(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    glibc = SimpleNamespace(mallopt=lambda *setting: told.append(setting))
    monkeypatch.setattr("ctypes.CDLL", lambda name: glibc)
    keep_freed_memory()
    # These numbers are from malloc.h. Sizes have the type int of C.
    m_trim_threshold, m_mmap_threshold = -1, -3
    assert dict(told) == {m_mmap_threshold: 32 * 2**20, m_trim_threshold: 2**31 - 1}
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace())
    keep_freed_memory()
    assert len(told) == 2


def test_an_interrupted_save_does_not_end_the_process(tmp_path: Path) -> None:
    """The interruption comes just before torch ends the archive."""
    program = """
import tempfile
import torch
from torch.serialization import _open_zipfile_writer_buffer as Writer
from oodbench.training.checkpoint import save_state

class Interrupted(BaseException):
    pass

def interrupt(*_):
    raise Interrupted

Writer.__exit__ = interrupt
try:
    with tempfile.NamedTemporaryFile() as file:
        save_state({"weights": torch.zeros(99)}, file)
except Interrupted:
    print("interrupted", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
