"""`oodbench train --dry-run`: the configuration of a training, and the time and memory of a step on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from oodbench.contracts import Roots
from oodbench.environment import peak_memory
from oodbench.segmenters.device import choose_device
from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head
from oodbench.text import count_noun
from oodbench.training.data import find_data_or_empty
from oodbench.training.job import TrainingJob
from oodbench.training.options import TrainingOptions
from oodbench.training.recipe import Recipe
from oodbench.training.train import make_job

# On a CPU a full-size step takes minutes, and more memory than the machine may have.
_MAX_CPU_PIXELS = 1 << 19
_TIMED_STEPS = 3


def describe_training(recipe: Recipe, *, roots: Roots, options: TrainingOptions, devices: int = 1) -> Iterator[str]:
    """Yield lines with the configuration, the data, the parameters, and the memory and time of a step.

    Nothing is downloaded or written. The weights are random and the images of the timed steps are noise.

    Args:
        recipe: Recipe of the training.
        roots: Folders to look for the dataset in.
        options: Options that the recipe does not determine.
        devices: Number of devices that share a step.
    """
    yield f"recipe {recipe.name}: {recipe.title}"
    for field, (value, source) in recipe.settings().items():
        yield f"  {field} = {value}" + (f"   ({source})" if source else "")
    device = choose_device(options.device)
    data, problem = find_data_or_empty(recipe, roots, options.plugins)
    if problem:
        yield f"data: {problem}; a training needs it"
    else:
        yield from (
            f"data: {split}, {count_noun(len(frames.frames), 'frame')}" for split, frames in data.splits.items()
        )
    job = make_job(recipe, data, replace(options, start=None), device, processes=devices, resumed=True)
    yield from job.describe_overrides()
    config = getattr(job, "config", None)
    if config is not None:
        yield "configuration:"
        yield from (f"  {line}" for line in config.pretty_text.splitlines())
    trained = sum(value.numel() for value in job.model.parameters() if value.requires_grad)
    yield f"parameters: {trained / 1e6:.2f} M with a gradient"
    for name, module in find_modules_with_head(job.model).items():
        size = sum(value.numel() * value.element_size() for value in module.head.buffers())
        yield f"state of the head {name or 'itself'} without a gradient: {size / 2**20:.1f} MiB"
    yield from _measure_step(job, device, devices)


def _measure_step(job: TrainingJob, device: str, devices: int) -> Iterator[str]:
    batch, share = job.make_example(_MAX_CPU_PIXELS if device == "cpu" else None)
    seconds = []
    for _ in range(_TIMED_STEPS + 1):
        started = time.perf_counter()
        job.model.train_step(batch, job.optimizer)
        for module in find_modules_with_head(job.model).values():
            module.after_step()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    step = statistics.median(seconds[1:])
    if device == "cpu":
        peak, where = peak_memory(), "of this process"
        machine = f"{device}, {torch.get_num_threads()} threads"
    else:
        peak, where = torch.cuda.max_memory_allocated(), "on the GPU"
        machine = torch.cuda.get_device_name()
    measured = "a whole step" if share == 1 else f"{100 * share:.0f} % of a step's pixels, since this is a CPU"
    memory = "unknown on this system" if peak is None else f"peak of {peak / 2**30:.2f} GiB {where}"
    yield f"memory: {memory} ({measured})"
    yield f"step: {step:.3f} s, median of {_TIMED_STEPS} ({measured}; {machine})"
    hours = step / share * job.iterations / 3600
    scaled = "" if share == 1 else ", scaled up from that share"
    on_each = f", on each of {devices} devices" if devices > 1 else ""
    yield f"training: {job.iterations} steps, {hours:.1f} hours without reading and validation{on_each}{scaled}"
