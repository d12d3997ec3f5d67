"""`oodbench train --dry-run`: what a training would be, and what a step of it takes here."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch

from oodbench.contracts import Roots
from oodbench.environment import peak_memory
from oodbench.segmenters.bundled import choose_device
from oodbench.segmenters.mmsegmentation.custom_head import find_modules_with_head
from oodbench.training.architectures.overrides import override_lines
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.catalogue import AnyRecipe
from oodbench.training.job import Trainee
from oodbench.training.train import Options, data_or_nothing, make_trainee

# A CPU takes minutes for a step at full size, and more memory than it may have.
_PIXELS_ON_A_CPU = 1 << 19
_TIMED = 3


def dry_run(recipe: AnyRecipe, *, roots: Roots, options: Options, devices: int = 1) -> Iterator[str]:
    """Lines to print: configuration, data, parameters, memory, the time of a step.

    Nothing is fetched and nothing is written; weights are random, the images of the timed steps are noise.
    """
    yield f"recipe {recipe.name}: {recipe.title}"
    if isinstance(recipe, ArchitectureRecipe):
        yield from (f"  {field} = {value}   ({source})" for field, (value, source) in recipe.sources().items())
        yield from override_lines(recipe)
    else:
        for part, said in recipe.model_dump(mode="json").items():
            yield from (
                [f"  {part}.{field} = {value}" for field, value in said.items()]
                if isinstance(said, Mapping)
                else [f"  {part} = {said}"]
            )
    device = choose_device(options.device)
    splits, classes, wrong = data_or_nothing(recipe, roots, options.plugins)
    if wrong:
        yield f"data: {wrong}; a training needs it"
    else:
        yield from (f"data: {split}, {len(found.frames)} frames" for split, found in splits.items())
    trainee = make_trainee(recipe, splits, classes, replace(options, start=None), device, devices, resumed=True)
    config = getattr(trainee, "config", None)
    if config is not None:
        yield "configuration:"
        yield from (f"  {line}" for line in config.pretty_text.splitlines())
    trained = sum(value.numel() for value in trainee.model.parameters() if value.requires_grad)
    yield f"parameters: {trained / 1e6:.2f} M with a gradient"
    for name, bearer in find_modules_with_head(trainee.model).items():
        held = sum(value.numel() * value.element_size() for value in bearer.head.buffers())
        yield f"state of the head {name or 'itself'} without a gradient: {held / 2**20:.1f} MiB"
    yield from _measured(trainee, device, devices)


def _measured(trainee: Trainee, device: str, devices: int) -> Iterator[str]:
    batch, share = trainee.example(_PIXELS_ON_A_CPU if device == "cpu" else None)
    seconds = []
    for _ in range(_TIMED + 1):
        started = time.perf_counter()
        trainee.model.train_step(batch, trainee.optimizer)
        for bearer in find_modules_with_head(trainee.model).values():
            bearer.after_step()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    step = statistics.median(seconds[1:])
    if device == "cpu":
        peak, where = peak_memory(), "of this process"
    else:
        peak, where = torch.cuda.max_memory_allocated(), "on the GPU"
    of = "a whole step" if share == 1 else f"{100 * share:.0f} % of a step's pixels, since this is a CPU"
    on = f"{device}, {torch.get_num_threads()} threads" if device == "cpu" else torch.cuda.get_device_name()
    memory = "unknown on this system" if peak is None else f"{peak / 2**30:.2f} GiB at the most {where}"
    yield f"memory: {memory} ({of})"
    yield f"step: {step:.3f} s, median of {_TIMED} ({of}; {on})"
    whole = step / share * trainee.iterations / 3600
    reckoned = "" if share == 1 else ", reckoned from that share"
    alike = f" on each of {devices} devices alike" if devices > 1 else ""
    yield f"training: {trainee.iterations} steps, {whole:.1f} hours without reading and validation{alike}{reckoned}"
