"""Finds what a plan names: methods, networks, benchmarks, in-distribution frames."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from oodbench.contracts import DatasetCard, Roots, Segmenter
from oodbench.errors import DataNotFoundError, UnknownNameError, UsageError
from oodbench.files import digest_bytes
from oodbench.planning.objects import MethodSource, Objects, describe_method
from oodbench.planning.request import Request
from oodbench.registry import Registry, method_label
from oodbench.types import ClassSet, FrameSet
from oodbench.user_code import collect_used_code, explain_missing_modules

NO_OBJECTS = Objects()

# In-distribution frames to fit on and to calibrate on where neither the user nor the dataset says how many.
_DEFAULT_FRAMES = 500
# What follows the file in `--model FILE:key=value` and `--model FILE.py:FUNCTION`.
_OPTIONS = re.compile(r":\w+=|(?<=\.py):[A-Za-z_]\w*$")


ALL = "all"
"""Stands for every method that there is."""


def find_methods(request: Request, registry: Registry, objects: Objects = NO_OBJECTS) -> list[MethodSource]:
    """Return the methods of a request.

    If it names none: for the bundled models the basic comparison, for other networks the standard set and the methods
    of plugin files that the request names. Methods that are added later change neither.
    """
    names = list(dict.fromkeys(request.methods))
    if ALL in names:
        names = list(dict.fromkeys([*registry.names("methods"), *(name for name in names if name != ALL)]))
    elif not names and not objects.methods:
        bundled = not request.models and not objects.segmenters
        names = [name for name in registry.names("methods") if _is_default(registry, name, bundled)]
    sources = [_describe_named(registry, name) for name in names] + [
        describe_method(method, registry) for method in objects.methods
    ]
    seen: dict[str, str] = {}
    for source in sources:
        label = method_label(source.make())
        if label in seen:
            raise UsageError(f"--method {source.spec} is the same as --method {seen[label]}", "Name it once.")
        seen[label] = source.spec
    return sources


def _is_default(registry: Registry, name: str, bundled: bool) -> bool:
    card = registry.method(name).card
    return card.basic if bundled else card.standard or registry.is_given("methods", name)


def _describe_named(registry: Registry, spec: str) -> MethodSource:
    card = registry.method(spec).card
    return MethodSource(spec, lambda: registry.method(spec), registry.source_digest("methods", card.name))


class ModelSource(NamedTuple):
    """What the user names of a network: `--model`, `--model-card`, `--checkpoint`; the latter two as absolute paths."""

    source: str
    card: str | None = None
    checkpoint: str | None = None

    def open(self, registry: Registry, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Open the network with the adapter that takes it; its digest covers the user's code that it is made of."""
        adapter = registry.adapter(self.source)
        card = Path(self.card) if self.card else None
        with collect_used_code() as used, explain_missing_modules():
            if self.checkpoint is None:
                segmenter = adapter.open(self.source, card, device)
            else:
                segmenter = adapter.open_checkpoint(self.source, Path(self.checkpoint), card, device)
        source_digest = registry.source_digest("models", adapter.card.name)
        if source_digest is not None:
            used.add(source_digest)
        if used:  # weights say nothing of the code that runs them
            segmenter.digest = digest_bytes(json.dumps([segmenter.digest, *sorted(used)]).encode())
        return segmenter

    def recorded(self) -> str:
        """`--model` for another folder to open: the path of a file is absolute, what follows it stays."""
        path, options = self.source, ""
        if not Path(path).exists() and (match := _OPTIONS.search(path)):
            path, options = path[: match.start()], path[match.start() :]
        return f"{Path(path).absolute()}{options}" if Path(path).exists() else self.source


def model_sources(request: Request) -> list[ModelSource]:
    """Return the source of each network; by default those of the bundled models."""
    # Late: torch takes seconds, and whoever reads results does without.
    from oodbench.segmenters.bundled import BUNDLED

    sources = request.models or BUNDLED
    cards = _match_files("--model-card", request.model_cards, request, "as FILE.toml for FILE.onnx")
    checkpoints = _match_files("--checkpoint", request.checkpoints, request, "as CONFIG.safetensors for CONFIG.py")
    nothing = [None] * len(sources)
    return [ModelSource(*parts) for parts in zip(sources, cards or nothing, checkpoints or nothing, strict=True)]


def _match_files(option: str, files: Sequence[str], request: Request, beside: str) -> list[str]:
    """The files that an option names, as absolute paths: one for each network, or none."""
    if files and len(files) != len(request.models):
        raise UsageError(
            f"{len(files)} {option} for {len(request.models)} --model; expected one for each, in the same order",
            f"Or put each beside its network, {beside}.",
        )
    return [str(Path(file).absolute()) for file in files]


class OpenedNetwork(NamedTuple):
    """A network, and what the user named of it; None for one that was passed as an object."""

    segmenter: Segmenter
    source: ModelSource | None


def open_networks(request: Request, registry: Registry, objects: Objects = NO_OBJECTS) -> dict[str, OpenedNetwork]:
    """Return the networks of a request by name.

    Raises:
        UsageError: Two have one name.
    """
    sources = model_sources(request) if request.models or not objects.segmenters else []
    opened = [OpenedNetwork(source.open(registry, request.device), source) for source in sources]
    opened += [OpenedNetwork(segmenter, None) for segmenter in objects.segmenters]
    networks: dict[str, OpenedNetwork] = {}
    for network in opened:
        name = network.segmenter.name
        if name in networks:
            raise UsageError(
                f"two networks are called '{name}'", "Give each its own name: in its model card, or with name=."
            )
        networks[name] = network
    return networks


def shared_class_set(networks: Mapping[str, Segmenter]) -> ClassSet:
    """The class set that all the networks share; a run has one."""
    sets = {network.classes.name: network.classes for network in networks.values()}
    if len(sets) > 1:
        raise UsageError(
            f"the networks have different class sets: {', '.join(sets)}", "Run them one by one, with --out for each."
        )
    return next(iter(sets.values()))


def validate_named_roots(data: Roots, id_data: Roots, registry: Registry) -> None:
    """Refuse a NAME=DIR whose name is no data set's."""
    datasets = registry.names("datasets")
    known = [*registry.names("benchmarks"), *datasets]
    for name in data.named:
        if name not in known:
            raise UnknownNameError("data set in NAME=DIR", name, known, "oodbench list benchmarks")
    for name in id_data.named if id_data is not data else ():
        if name not in datasets:
            raise UnknownNameError("in-distribution dataset in NAME=DIR", name, datasets, "oodbench list datasets")


def find_synthetic_world(networks: Mapping[str, Segmenter], registry: Registry) -> str:
    """The drawn dataset on which all the networks were trained, or nothing."""
    trained_on = {network.trained_on for network in networks.values()}
    drawn = {registry.benchmark(name).card.dataset for name in registry.names("benchmarks")} - {""}
    return trained_on.pop() if len(trained_on) == 1 and trained_on <= drawn else ""


def find_benchmarks(request: Request, registry: Registry, data: Roots, world: str) -> dict[str, FrameSet]:
    """name -> frames.

    Where none is named: for networks of a drawn `world` its benchmarks; those on disk otherwise, and where the request
    says where to look. Of those with variants the usual one, and the variants whose folders are named.
    """
    sets: dict[str, FrameSet] = {}
    looked_for = []
    on_disk = not world or bool(request.data)
    for name in dict.fromkeys(request.benchmarks) or registry.names("benchmarks"):
        benchmark = registry.benchmark(name)
        wanted = benchmark.card.dataset == world if benchmark.card.dataset else on_disk
        usual = not benchmark.card.variant_of or name in data.named
        if not (request.benchmarks or (wanted and usual)):
            continue
        looked_for.append(name)
        try:
            sets[name] = benchmark.open(data)
        except DataNotFoundError:
            if request.benchmarks or name in data.named:
                raise
    if not sets:
        where = ", ".join(map(str, data.anywhere)) or "no folder"
        raise DataNotFoundError(
            f"no benchmark was found in {where}; looked for {', '.join(looked_for)}",
            "Give the folder of one: --data DIR, or OODBENCH_DATA=DIR. 'oodbench info benchmark NAME' says where to "
            "get it.",
        )
    return sets


class InDistributionFrames(NamedTuple):
    """The frames of a dataset's split, and what to call them."""

    name: str
    title: str
    split: str
    found: FrameSet


def find_in_distribution(
    registry: Registry, roots: Roots, classes: ClassSet, world: str = ""
) -> tuple[InDistributionFrames, InDistributionFrames]:
    """The frames to fit on and those to calibrate on: by the dataset's own splits, else every fifth calibrates.

    From the dataset on disk that has these classes, or from the drawn `world`.

    Raises:
        DataNotFoundError: no dataset with these classes was found.
    """
    card, splits = _find_dataset(registry, roots, classes, world)
    if len(splits) > 1:
        (fit_split, fit), (calibrate_split, calibrate) = list(splits.items())[:2]
    else:
        ((split, only),) = splits.items()
        fit = replace(only, frames=tuple(frame for index, frame in enumerate(only.frames) if index % 5))
        calibrate = replace(only, frames=only.frames[::5])
        fit_split, calibrate_split = f"{split} (four of five)", f"{split} (every fifth)"
    return (
        InDistributionFrames(card.name, card.title, fit_split, fit),
        InDistributionFrames(card.name, card.title, calibrate_split, calibrate),
    )


def _find_dataset(
    registry: Registry, roots: Roots, classes: ClassSet, world: str
) -> tuple[DatasetCard, Mapping[str, FrameSet]]:
    """The one dataset with these classes that is found on disk, or the drawn one of the world, and its splits."""
    found = []
    missing = DataNotFoundError(f"no dataset has the classes {classes.name}", "See: oodbench list datasets")
    for dataset in map(registry.dataset, registry.names("datasets")):
        card = dataset.card
        if not (card.name == world if world else not card.synthetic):
            continue
        try:
            if dataset.classes(roots) == classes:
                found.append((card, dataset.open(roots)))
        except DataNotFoundError as error:
            if card.classes == classes:
                missing = error
    # If the user named the folder of one of them, that is the choice. Otherwise a dataset in its official layout comes
    # before a folder of labelled frames, whose classes a file says.
    found = [part for part in found if part[0].name in roots.named] or found
    found = [part for part in found if part[0].classes is not None] or found
    if not found:
        raise missing
    if len(found) > 1:
        names = ", ".join(f"{card.name} in {next(iter(splits.values())).folder}" for card, splits in found)
        raise UsageError(
            f"several datasets with the classes {classes.name} were found: {names}",
            f"Say which to fit and calibrate on: --id-data {found[0][0].name}=DIR.",
        )
    return found[0]


def take_first(found: FrameSet, limit: int | Literal["all"] | None) -> FrameSet:
    """The first frames: as many as the limit says, as the set takes by itself where there is none."""
    count = found.default if limit is None else None if limit == "all" else limit
    return replace(found, frames=found.frames[:count])


def take_evenly(found: FrameSet, limit: int | None) -> FrameSet:
    """At most `limit` frames, evenly spaced; without one as many as the set takes by itself, or 500."""
    count = len(found.frames)
    limit = limit or found.default or _DEFAULT_FRAMES
    if count <= limit:
        return found
    picked = np.linspace(0, count - 1, limit).round().astype(int)
    return replace(found, frames=tuple(found.frames[index] for index in picked))
