"""What MMEngine's runner is given: the model, a loop that resumes without drawing again, and hooks.

Checkpoints hold tensors and plain values alone, so that they are read weights-only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor

from oodbench.contracts import HeadOutput, TrainingHead
from oodbench.files import write_atomically
from oodbench.pipeline.calibrate import Quality
from oodbench.pipeline.feed import semantic_labels
from oodbench.pipeline.progress import Progress
from oodbench.segmenters.compact import CompactNetwork
from oodbench.types import ClassMaps, ClassSet, Frame, SegmenterOutput


class TrainedModel(BaseModel):
    """A network as the runner steps it: the optimiser's step, then what moves by no gradient."""

    def __init__(self, network: CompactNetwork, head: TrainingHead) -> None:
        super().__init__()
        self.network, self._head = network, head

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One step on (images, labels); returns the losses."""
        device = next(self.network.parameters()).device
        images, labels = (part.to(device) for part in data)
        output = self(images.contiguous(memory_format=torch.channels_last))
        losses = dict(self._head.loss(output, labels))
        total = torch.stack(list(losses.values())).sum()
        optim_wrapper.update_params(total)
        self._head.after_step(output, labels)
        return {**{name: loss.detach() for name, loss in losses.items()}, "loss": total.detach()}

    def forward(self, images: Tensor) -> HeadOutput:
        """The network's own."""
        output: HeadOutput = self.network(images)
        return output

    def facts(self) -> Mapping[str, float]:
        """What the head has to say."""
        return self._head.facts()


class ResumableLoop(IterBasedTrainLoop):
    """Goes on with the step at which the sampler starts; the batches before it are not made again."""

    def run(self) -> torch.nn.Module:
        """Train to the end."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        model: torch.nn.Module = self.runner.model
        return model


class LogHook(Hook):
    """Writes log.jsonl and moves the progress bar; every so often measures mIoU on held-out frames."""

    priority = "LOW"

    def __init__(self, file: Path, frames: Sequence[Frame], every: int, classes: ClassSet, progress: Progress) -> None:
        self._file, self._frames, self._every, self._classes = file, frames, every, classes
        self._progress = progress
        self._losses: dict[str, float] = {}
        self._count = 0

    def before_train(self, runner: Runner) -> None:
        """Drop what a killed run logged beyond its last checkpoint."""
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
            self._losses[name] = self._losses.get(name, 0.0) + float(value)
        self._count += 1
        self._advance(1)
        done = runner.iter + 1
        if done % 20 == 0 or done == runner.max_iters:
            entry: dict[str, Any] = {"iteration": done}
            entry |= {name: round(value / self._count, 5) for name, value in self._losses.items()}
            entry["learning_rate"] = runner.optim_wrapper.get_lr()["lr"][0]
            entry["seconds_a_step"] = round((time.perf_counter() - self._started) / self._count, 4)
            entry |= {name: round(value, 6) for name, value in runner.model.facts().items()}
            self._losses, self._count = {}, 0
            if done % self._every == 0 or done == runner.max_iters:
                entry["miou"] = measure(runner.model.network, self._frames, self._classes)["miou"]
            self._started = time.perf_counter()
            with self._file.open("a") as log:
                log.write(json.dumps(entry) + "\n")

    def after_train(self, runner: Runner) -> None:
        """Close the bar."""
        self._bar.__exit__(None, None, None)


class SaveHook(Hook):
    """Writes checkpoint.pt, whole or not at all."""

    priority = "VERY_LOW"

    def __init__(self, file: Path, every: int, recipe: Mapping[str, Any], seed: int) -> None:
        self._file, self._every, self._recipe, self._seed = file, every, dict(recipe), seed

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """After each step."""
        done = runner.iter + 1
        if done % self._every and done != runner.max_iters:
            return
        state = {
            "recipe": json.dumps(self._recipe),
            "seed": self._seed,
            "iteration": done,
            "network": runner.model.network.state_dict(),
            "optimizer": runner.optim_wrapper.state_dict(),
            "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
            "random": torch.get_rng_state(),
        }
        write_atomically(self._file, lambda file: torch.save(state, file))


@torch.inference_mode()
def measure(network: CompactNetwork, frames: Sequence[Frame], classes: ClassSet) -> Mapping[str, Any]:
    """Closed-set quality on whole frames, as a run measures them (pipeline.calibrate)."""
    training = network.training
    network.eval()
    device = next(network.parameters()).device
    quality = Quality(classes)
    for frame in frames:
        image = torch.from_numpy(frame.read_image().transpose(2, 0, 1)[None].copy()).float().to(device)
        quality.update(SegmenterOutput(ClassMaps(network(image).class_maps)), [semantic_labels(frame)])
    network.train(training)
    return quality.result()
