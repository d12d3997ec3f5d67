"""Cost of GMMSeg's head per training step: a recipe and the same recipe with that head, timed alternately.

    python -m tools.speed.em_cost                                            the compact network of the bundled models
    python -m tools.speed.em_cost streets-deeplabv3plus streets-deeplabv3plus-gmmseg
    python -m tools.speed.em_cost cityscapes-deeplabv3plus cityscapes-deeplabv3plus-gmmseg --crops 2     on a GPU

Batches are the recipe's own if its frames are synthetic, otherwise noise. Prints medians in milliseconds for each part,
their ratio, and on a GPU the peak memory of each.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from typing import Any

import torch

from oodbench.contracts import Roots
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.mmsegmentation.custom_head import ModuleWithHead
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.catalogue import load_recipe
from oodbench.training.data import find_data_or_empty
from oodbench.training.devices import keep_freed_memory
from oodbench.training.options import TrainingOptions
from oodbench.training.train import make_job

STEPS, WARM = 24, 4
PARTS = ("forward and losses", "backward and optimiser", "EM and memory")


class TimedTraining:
    """A network in training whose steps are timed."""

    def __init__(self, name: str, device: str, crops: int | None) -> None:
        recipe = load_recipe(name)
        if crops is not None and isinstance(recipe, ArchitectureRecipe):
            batch = recipe.data.batch.model_copy(update={"value": crops})
            recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"batch": batch})})
        self.device = device
        data, missing = find_data_or_empty(recipe, Roots(), ())
        self.has_data = not missing
        self.job = make_job(recipe, data, TrainingOptions(), device, resumed=True)
        self.job.model.train()
        self.times: list[list[float]] = []

    def make_batches(self) -> Any:
        """Return the batches of the recipe, or noise if its frames are not available."""
        if self.has_data:
            return iter(self.job.make_loader(0))
        return itertools.repeat(self.job.make_example(None)[0])

    def read_clock(self) -> float:
        """Return the time after all requested work is finished."""
        if self.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    def run_step(self, batch: Any) -> None:
        """Run one step and record the duration of each part."""
        model = self.job.model
        marks = [self.read_clock()]
        total, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode="loss"))
        marks.append(self.read_clock())
        self.job.optimizer.update_params(total)
        marks.append(self.read_clock())
        for module in model.modules():
            if isinstance(module, ModuleWithHead):
                module.after_step()
        marks.append(self.read_clock())
        self.times.append([1e3 * (after - before) for before, after in itertools.pairwise(marks)])

    def compute_medians(self) -> list[float]:
        """Return the median of each part, and of the whole step."""
        kept = self.times[WARM:]
        return [statistics.median(part) for part in zip(*kept, strict=True)] + [
            statistics.median(sum(step) for step in kept)
        ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="*", default=["streets-softmax", "streets-gmmseg"])
    parser.add_argument("--crops", type=int, help="crops per step, instead of the recipe's number")
    asked = parser.parse_args()
    if len(asked.recipes) != 2:
        parser.error("expected two recipes: one, and the same with GMMSeg's head")
    keep_freed_memory()  # as in `oodbench train`
    device = choose_device("auto")
    both = [TimedTraining(name, device, asked.crops) for name in asked.recipes]
    peaks = [0.0, 0.0]
    for _, batch in zip(range(STEPS), both[0].make_batches(), strict=False):
        for index, timed in enumerate(both):
            if device != "cpu":
                torch.cuda.reset_peak_memory_stats()
            timed.run_step(batch)
            if device != "cpu":
                peaks[index] = max(peaks[index], torch.cuda.max_memory_allocated() / 2**30)
    plain, ours = (timed.compute_medians() for timed in both)
    width = max(map(len, asked.recipes)) + 2
    print(f"{'':24}" + "".join(f"{name:>{width}}" for name in asked.recipes) + f"  ms, medians of {STEPS - WARM} steps")
    for part, first, second in zip((*PARTS, "step"), plain, ours, strict=True):
        print(f"{part:24}{first:>{width}.1f}{second:>{width}.1f}")
    where = f"cpu, {torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    print(f"ratio of the steps {ours[-1] / plain[-1]:.2f}, {where}")
    if device != "cpu":
        print(f"peak memory, with both networks loaded: {peaks[0]:.2f} and {peaks[1]:.2f} GiB")


if __name__ == "__main__":
    main()
