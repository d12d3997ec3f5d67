"""What MMEngine's runner does beside stepping: it stops at a loss that is no number, logs, measures, saves.

Checkpoints hold tensors and plain values alone, so that they are read weights-only.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn
from torch.nn.utils import get_total_norm

from oodbench.errors import TrainingError
from oodbench.files import cannot_write, write_atomically
from oodbench.training.devices import failing_together
from oodbench.training.job import Trainee

# Steps from one line of the log to the next.
_LINE = 20
# Of the loss in half precision. Each step whose gradient is no number halves it, from 65 536 on; now and then one does.
_LEAST_SCALE = 2.0**-10


class GuardHook(Hook):
    """Stops after a step whose losses or new weights are NaN or infinite, before anything else is done with them."""

    priority = "VERY_HIGH"

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        with failing_together():
            self._check(runner, data_batch, outputs)

    def _check(self, runner: Runner, data_batch: Any, outputs: Any) -> None:
        parameters = [parameter.detach() for parameter in runner.model.parameters()]
        # A finite loss may have a gradient that is not. One question, since a GPU is waited for at each.
        values = torch.stack(
            [*(value.detach().float().mean() for value in outputs.values()), get_total_norm(parameters)]
        )
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        no_steps = scaler is not None and scaler.get_scale() < _LEAST_SCALE
        if bool(values.isfinite().all()) and not no_steps:
            return
        losses = {name: float(value.detach().mean()) for name, value in outputs.items()}
        broken = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        said = ", ".join(broken) or "the losses are finite, and " + (
            "in half precision no gradient of the last steps was, so that none was taken"
            if no_steps
            else "the weights after it are not"
        )
        frames = ", ".join(sample.img_path for sample in data_batch.get("data_samples", ()))
        rate = max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups)
        kept = f"{self._checkpoint} has an earlier one" if self._checkpoint.is_file() else "none was saved before"
        raise TrainingError(
            f"step {runner.iter + 1}: {said}, at a learning rate of {rate:g}{f', on {frames}' if frames else ''}; "
            f"this state is not kept, {kept}",
            "A smaller learning rate or a longer warm-up helps most often: in a recipe of your own with this one as "
            "its base, in another folder.",
        )


class LogHook(Hook):
    """Writes log.jsonl and tells of each step; every so often measures the network on held-out frames.

    Attributes:
        quality: what it measured last; nothing before.
    """

    priority = "LOW"

    def __init__(self, folder: Path, trainee: Trainee, advance: Callable[[int], None]) -> None:
        self._file, self._folder, self._trainee, self._advance = folder / "log.jsonl", folder, trainee, advance
        self._losses: dict[str, Any] = {}
        self._count, self._rate = 0, 0.0
        self.quality: Mapping[str, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Drop what a killed run logged beyond its last checkpoint."""
        if is_main_process():
            lines = self._file.read_text().splitlines(keepends=True) if self._file.is_file() else []
            # A line without its end was being written when the run was killed.
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["iteration"] <= runner.iter]
            self._file.write_text("".join(kept))
        self._started = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """The rate of the step to come: after it, it is the next one's."""
        self._rate = max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        for name, value in outputs.items():
            self._losses[name] = self._losses.get(name, 0.0) + value.detach().double().mean()
        self._count += 1
        self._advance(1)
        done = runner.iter + 1
        measured = done % self._trainee.validate_every == 0 or done == runner.max_iters
        if done % _LINE == 0 or measured:
            with failing_together():
                if is_main_process():  # the others wait
                    self._tell(runner, done, measured=measured)

    def _tell(self, runner: Runner, done: int, *, measured: bool) -> None:
        entry: dict[str, Any] = {"iteration": done}
        entry |= {name: round(float(value) / self._count, 5) for name, value in self._losses.items()}
        entry["learning_rate"] = self._rate
        entry["seconds_a_step"] = round((time.perf_counter() - self._started) / self._count, 4)
        if device_of(runner.model).type == "cuda":
            entry["memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        entry |= {name: round(value, 6) for name, value in self._trainee.facts().items()}
        self._losses, self._count = {}, 0
        if measured:
            self.quality = self._trainee.measure(self._folder / "validation")
            entry["miou"] = self.quality["miou"]
        self._started = time.perf_counter()
        try:
            with self._file.open("a") as log:
                log.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise cannot_write(self._file, error) from error


class SaveHook(Hook):
    """Writes checkpoint.pt, whole or not at all."""

    priority = "VERY_LOW"

    def __init__(self, file: Path, trainee: Trainee, seed: int) -> None:
        self._file, self._trainee, self._seed = file, trainee, seed

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        done = runner.iter + 1
        if done % self._trainee.checkpoint_every and done != runner.max_iters:
            return
        random = all_gather_object(random_state(device_of(runner.model)))
        with failing_together():
            if is_main_process():
                self._save(runner, done, random)

    def _save(self, runner: Runner, done: int, random: list[dict[str, torch.Tensor]]) -> None:
        state = {
            "recipe": json.dumps(self._trainee.record),
            "seed": self._seed,
            "iteration": done,
            "network": self._trainee.network.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [scheduler.state_dict() for scheduler in self._trainee.schedulers],
            "random": random,
        }
        write_atomically(self._file, lambda file: save_state(state, file))


def save_state(state: Mapping[str, Any], file: IO[bytes]) -> None:
    """As torch.save; what goes wrong in the middle of it, a full disk or Ctrl-C, comes out as it is.

    torch closes its archive whatever happened, fails at that, and says that instead.
    """
    try:
        torch.save(state, file)
    except RuntimeError as error:
        if error.__context__ is None:
            raise
        raise error.__context__ from None


def device_of(model: nn.Module) -> torch.device:
    """Where it trains; no GPU is asked for anything by a training on a CPU."""
    return next(model.parameters()).device


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Of the generators that a step draws from in this process."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """As `random_state` gave it."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
