"""What GMMSeg's head adds to a training step: the same network and batches, with the softmax head and with GMMSeg's.

    python tests/speed/em_cost.py

Batches are those of the embedded recipes. Steps of the two alternate; printed are medians in milliseconds and their
ratio, whole and part by part.
"""

from __future__ import annotations

import itertools
import statistics
import time

import torch

from oodbench.contracts import Roots, TrainingHead
from oodbench.registry import Registry
from oodbench.segmenters.compact import CHANNELS, CompactNetwork
from oodbench.training.crops import Crops
from oodbench.training.recipe import read_recipe

STEPS, WARM = 24, 4
PARTS = ("forward", "loss", "backward", "optimiser", "EM and memory")


class Timed:
    """One network under training."""

    def __init__(self, name: str) -> None:
        recipe, registry = read_recipe(name), Registry()
        module = registry.head(recipe.head.name, recipe.head.parameters).build(CHANNELS, 19)
        assert isinstance(module, TrainingHead)
        self.head = module
        self.network = CompactNetwork(module).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        trainable = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=recipe.schedule.learning_rate)
        self.times: list[list[float]] = []

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """One step, with the time after each part."""
        marks = [time.perf_counter()]
        output = self.network(images)
        marks.append(time.perf_counter())
        loss = torch.stack(list(self.head.loss(output, labels).values())).sum()
        marks.append(time.perf_counter())
        self.optimizer.zero_grad()
        loss.backward()
        marks.append(time.perf_counter())
        self.optimizer.step()
        marks.append(time.perf_counter())
        self.head.after_step(output, labels)
        marks.append(time.perf_counter())
        self.times.append([1e3 * (after - before) for before, after in itertools.pairwise(marks)])

    def medians(self) -> list[float]:
        """Of each part, and of the whole."""
        kept = self.times[WARM:]
        return [statistics.median(part) for part in zip(*kept, strict=True)] + [
            statistics.median(sum(step) for step in kept)
        ]


if __name__ == "__main__":
    recipe = read_recipe("streets-gmmseg")
    found = Registry().dataset(recipe.data.dataset).open(Roots())[recipe.data.train]
    crops = Crops(found, recipe.data, 0, STEPS)
    softmax, gmmseg = Timed("streets-softmax"), Timed("streets-gmmseg")
    for step in range(STEPS):
        images, labels = crops[step]
        for timed in (softmax, gmmseg):
            timed.step(images.contiguous(memory_format=torch.channels_last), labels)
    print(f"{'':16}{'softmax':>10}{'GMMSeg':>10}  ms, medians of {STEPS - WARM} steps")
    for part, plain, ours in zip((*PARTS, "step"), softmax.medians(), gmmseg.medians(), strict=True):
        print(f"{part:16}{plain:10.1f}{ours:10.1f}")
    print(f"ratio of the steps {gmmseg.medians()[-1] / softmax.medians()[-1]:.2f}, {torch.get_num_threads()} threads")
