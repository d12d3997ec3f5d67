"""What MMEngine's runner does beside stepping: it stops at a loss that is no number, logs, measures, saves.

Checkpoints hold tensors and plain values alone, so that they are read weights-only.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from oodbench.errors import TrainingError
from oodbench.files import write_atomically
from oodbench.pipeline.progress import Progress
from oodbench.training.trainee import Trainee

# Steps from one line of the log to the next.
_LINE = 20


class GuardHook(Hook):
    """Stops at a loss that is NaN or infinite, before the step after it, and before anything is saved."""

    priority = "VERY_HIGH"

    def __init__(self, checkpoint: Path) -> None:
        self._checkpoint = checkpoint

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        broken = {name: float(value.detach()) for name, value in outputs.items() if not value.detach().isfinite().all()}
        if not broken:
            return
        values = ", ".join(f"{name} is {value}" for name, value in broken.items())
        frames = ", ".join(sample.img_path for sample in data_batch.get("data_samples", ()))
        rate = max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups)
        kept = f"{self._checkpoint} has an earlier one" if self._checkpoint.is_file() else "none was saved before"
        raise TrainingError(
            f"step {runner.iter + 1}: {values}, at a learning rate of {rate:g}{f', on {frames}' if frames else ''}; "
            f"this state is not kept, {kept}",
            "A smaller learning rate or a longer warm-up helps most often: in a recipe of your own with this one as "
            "its base, in another folder.",
        )


class LogHook(Hook):
    """Writes log.jsonl and moves the progress bar; every so often measures mIoU on held-out frames."""

    priority = "LOW"

    def __init__(self, folder: Path, trainee: Trainee, progress: Progress) -> None:
        self._file, self._folder, self._trainee, self._progress = folder / "log.jsonl", folder, trainee, progress
        self._losses: dict[str, float] = {}
        self._count = 0

    def before_train(self, runner: Runner) -> None:
        """Drop what a killed run logged beyond its last checkpoint."""
        if is_main_process():
            lines = self._file.read_text().splitlines(keepends=True) if self._file.is_file() else []
            # A line without its end was being written when the run was killed.
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["iteration"] <= runner.iter]
            self._file.write_text("".join(kept))
        self._bar = self._progress.track("train", runner.max_iters - runner.iter, "steps")
        self._advance = self._bar.__enter__()
        self._started = time.perf_counter()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        for name, value in outputs.items():
            self._losses[name] = self._losses.get(name, 0.0) + float(value.detach())
        self._count += 1
        self._advance(1)
        done = runner.iter + 1
        measured = done % self._trainee.validate_every == 0 or done == runner.max_iters
        if is_main_process() and (done % _LINE == 0 or measured):
            entry: dict[str, Any] = {"iteration": done}
            entry |= {name: round(value / self._count, 5) for name, value in self._losses.items()}
            entry["learning_rate"] = runner.optim_wrapper.get_lr()["lr"][0]
            entry["seconds_a_step"] = round((time.perf_counter() - self._started) / self._count, 4)
            if torch.cuda.is_available():
                entry["memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
            entry |= {name: round(value, 6) for name, value in self._trainee.facts().items()}
            self._losses, self._count = {}, 0
            if measured:
                entry["miou"] = self._trainee.measure(self._folder / "validation")["miou"]
            self._started = time.perf_counter()
            with self._file.open("a") as log:
                log.write(json.dumps(entry) + "\n")
        if measured:
            barrier()

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._bar.__exit__(None, None, None)


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
        random = all_gather_object(random_state())
        if not is_main_process():
            return
        state = {
            "recipe": json.dumps(self._trainee.record),
            "seed": self._seed,
            "iteration": done,
            "network": self._trainee.network.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [scheduler.state_dict() for scheduler in self._trainee.schedulers],
            "random": random,
        }
        write_atomically(self._file, lambda file: torch.save(state, file))


def random_state() -> dict[str, torch.Tensor]:
    """Of the generators that a step draws from in this process."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, torch.Tensor]) -> None:
    """As `random_state` gave it."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
