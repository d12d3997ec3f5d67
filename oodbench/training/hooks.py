"""Hooks of MMEngine's runner: stop at a loss that is not finite, log, validate, write checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.utils import get_total_norm

from oodbench.errors import TrainingError
from oodbench.files import cannot_write, write_atomically
from oodbench.stopping import stop
from oodbench.training.checkpoint import get_device, get_random_state, save_state
from oodbench.training.devices import is_any_stop_requested, synchronized_errors
from oodbench.training.job import TrainingJob

# Steps per line of the log.
_LOG_INTERVAL = 20
# Smallest scale of the loss in half precision. The scale starts at 65 536, and each step whose gradient is not finite
# halves it. A few such steps are normal.
_MIN_LOSS_SCALE = 2.0**-10


class GuardHook(Hook):
    """Hook that stops the training after a step with losses or new weights that are NaN or infinite.

    It runs before all other hooks, so that nothing else uses such a state.

    Args:
        checkpoint: File of the last checkpoint, for the message.
    """

    priority = "VERY_HIGH"

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Check the losses and the weights after a step."""
        with synchronized_errors():
            self._check(runner, data_batch, outputs)

    def _check(self, runner: Runner, data_batch: Any, outputs: Any) -> None:
        parameters = [parameter.detach() for parameter in runner.model.parameters()]
        # A finite loss may have a gradient that is not finite, so the weights are checked too. One check of all values
        # is faster than several, since each waits for the GPU.
        values = torch.stack(
            [*(value.detach().float().mean() for value in outputs.values()), get_total_norm(parameters)]
        )
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        steps_skipped = scaler is not None and scaler.get_scale() < _MIN_LOSS_SCALE
        if bool(values.isfinite().all()) and not steps_skipped:
            return
        losses = {name: float(value.detach().mean()) for name, value in outputs.items()}
        not_finite = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
        problem = ", ".join(not_finite) or (
            "the losses are finite, but no recent gradient was finite in half precision, so no step was taken"
            if steps_skipped
            else "the losses are finite, but the weights after the step are not"
        )
        frames = ", ".join(sample.img_path for sample in data_batch.get("data_samples", ()))
        rate = max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups)
        saved = f"{self._checkpoint} has an earlier one" if self._checkpoint.is_file() else "no checkpoint exists yet"
        raise TrainingError(
            f"step {runner.iter + 1}: {problem}, at a learning rate of {rate:g}{f', on {frames}' if frames else ''}; "
            f"this state is not saved; {saved}",
            "Set a smaller learning rate or a longer warm-up in your own recipe, with this one as its base. Then train "
            "in another folder.",
        )


class LogHook(Hook):
    """Hook that writes log.jsonl, reports progress, and validates on held-out frames at regular intervals.

    Args:
        folder: Folder of the training.
        job: Training job.
        advance: Callback for the number of steps done, called after each step.

    Attributes:
        quality: Result of the last validation; empty before the first one.
    """

    priority = "LOW"

    def __init__(self, folder: Path, job: TrainingJob, advance: Callable[[int], None]) -> None:
        self._file, self._folder, self._job, self._advance = folder / "log.jsonl", folder, job, advance
        self._losses: dict[str, Any] = {}
        self._count, self._rate = 0, 0.0
        self.quality: Mapping[str, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Drop the lines that a killed training wrote after its last checkpoint."""
        if is_main_process():
            lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True) if self._file.is_file() else []
            # A line without a line end was being written when the training was killed.
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["iteration"] <= runner.iter]
            self._file.write_text("".join(kept), encoding="utf-8")
        self._started = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Record the learning rate of the step, because it changes after the step."""
        self._rate = max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Add up the losses; log and validate at the intervals."""
        for name, value in outputs.items():
            self._losses[name] = self._losses.get(name, 0.0) + value.detach().double().mean()
        self._count += 1
        self._advance(1)
        done = runner.iter + 1
        validates = done % self._job.validate_every == 0 or done == runner.max_iters
        if done % _LOG_INTERVAL == 0 or validates:
            with synchronized_errors():
                if is_main_process():  # the others wait
                    self._write_line(runner, done, validates=validates)

    def _write_line(self, runner: Runner, done: int, *, validates: bool) -> None:
        entry: dict[str, Any] = {"iteration": done}
        entry |= {name: round(float(value) / self._count, 5) for name, value in self._losses.items()}
        entry["learning_rate"] = self._rate
        entry["seconds_per_step"] = round((time.perf_counter() - self._started) / self._count, 4)
        if get_device(runner.model).type == "cuda":
            entry["memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
        entry |= {name: round(value, 6) for name, value in self._job.facts().items()}
        self._losses, self._count = {}, 0
        if validates:
            self.quality = self._job.measure(self._folder / "validation")
            entry["miou"] = self.quality["miou"]
        self._started = time.perf_counter()
        try:
            with self._file.open("a", encoding="utf-8") as log:
                log.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise cannot_write(self._file, error) from error


class CheckpointHook(Hook):
    """Hook that writes checkpoint.pt atomically at regular intervals, and before a requested stop.

    Args:
        file: Path of the checkpoint.
        job: Training job.
        seed: Seed of the training.
    """

    priority = "VERY_LOW"

    def __init__(self, file: Path, job: TrainingJob, seed: int) -> None:
        self._file, self._job, self._seed = file, job, seed

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Write a checkpoint if it is time to, and stop if any process was asked to.

        Raises:
            StopRequestedError: In all processes: a stop was requested in one of them.
        """
        done = runner.iter + 1
        finished = done == runner.max_iters
        stops = not finished and is_any_stop_requested()
        if done % self._job.checkpoint_every and not finished and not stops:
            return
        random = all_gather_object(get_random_state(get_device(runner.model)))
        with synchronized_errors():
            if is_main_process():
                self._save(runner, done, random)
        if stops:
            stop()

    def _save(self, runner: Runner, done: int, random: list[dict[str, torch.Tensor]]) -> None:
        state = {
            "recipe": json.dumps(self._job.record),
            "seed": self._seed,
            "iteration": done,
            "network": self._job.network.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [scheduler.state_dict() for scheduler in self._job.schedulers],
            "random": random,
        }
        write_atomically(self._file, lambda file: save_state(state, file))
