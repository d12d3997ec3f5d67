"""Finds what a plan names: methods, networks, benchmarks, in-distribution frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oodbench.contracts import DatasetCard, Method, Roots, Segmenter
from oodbench.errors import DataNotFoundError, UnknownNameError, UsageError
from oodbench.pipeline.request import Request
from oodbench.registry import Registry, method_label
from oodbench.types import ClassSet, FrameSet


def find_methods(request: Request, registry: Registry) -> dict[str, Method]:
    """spec -> method; all that there are where none is named."""
    specs = list(dict.fromkeys(request.methods)) or registry.names("methods")
    methods = {spec: registry.method(spec) for spec in specs}
    seen: dict[str, str] = {}
    for spec, method in methods.items():
        other = seen.setdefault(method_label(method), spec)
        if other != spec:
            raise UsageError(f"--method {spec} is the same as --method {other}", "Name it once.")
    return methods


def model_sources(request: Request) -> list[tuple[str, str | None]]:
    """(source, card) of each network."""
    cards = list(request.model_cards)
    if not request.models:
        raise UsageError(
            "no network was given", "Name one: --model FILE.onnx (docs/models.md says how to bring one in)."
        )
    if cards and len(cards) != len(request.models):
        raise UsageError(
            f"{len(cards)} --model-card for {len(request.models)} --model; expected one for each, in the same order",
            "Or put each card beside its network, as FILE.toml for FILE.onnx.",
        )
    absolute: list[str | None] = [str(Path(card).absolute()) for card in cards]
    return list(zip(request.models, absolute or [None] * len(request.models), strict=True))


def open_networks(request: Request, registry: Registry) -> dict[str, Segmenter]:
    """name -> network; two of one name are an error."""
    networks: dict[str, Segmenter] = {}
    for source, card in model_sources(request):
        network = registry.adapter(source).open(source, Path(card) if card else None, request.device)
        if network.name in networks:
            raise UsageError(
                f"two networks are called '{network.name}'", "Give each a name of its own in its model card."
            )
        networks[network.name] = network
    return networks


def one_class_set(networks: Mapping[str, Segmenter]) -> ClassSet:
    """The class set that all the networks share; a run has one."""
    sets = {network.classes.name: network.classes for network in networks.values()}
    if len(sets) > 1:
        raise UsageError(
            f"the networks have different class sets: {', '.join(sets)}", "Run them one by one, with --out for each."
        )
    return next(iter(sets.values()))


def check_named_roots(data: Roots, id_data: Roots, registry: Registry) -> None:
    """Refuse a NAME=DIR whose name is no data set's."""
    datasets = registry.names("datasets")
    known = [*registry.names("benchmarks"), *datasets]
    for name in data.named:
        if name not in known:
            raise UnknownNameError("data set in NAME=DIR", name, known, "oodbench list benchmarks")
    for name in id_data.named if id_data is not data else ():
        if name not in datasets:
            raise UnknownNameError("in-distribution dataset in NAME=DIR", name, datasets, "oodbench list datasets")


def find_benchmarks(request: Request, registry: Registry, data: Roots) -> dict[str, FrameSet]:
    """name -> frames; all that are found where none is named."""
    sets: dict[str, FrameSet] = {}
    for name in dict.fromkeys(request.benchmarks) or registry.names("benchmarks"):
        try:
            sets[name] = registry.benchmark(name).open(data)
        except DataNotFoundError:
            if request.benchmarks or name in data.named:
                raise
    if not sets:
        where = ", ".join(map(str, data.anywhere)) or "no folder"
        raise DataNotFoundError(
            f"no benchmark was found in {where}; looked for {', '.join(registry.names('benchmarks'))}",
            "Give the folder of one: --data DIR, or OODBENCH_DATA=DIR. 'oodbench info benchmark NAME' says where to "
            "get it.",
        )
    return sets


class InDistribution(NamedTuple):
    """The frames of a dataset's split, and what to call them."""

    name: str
    title: str
    split: str
    found: FrameSet


def in_distribution(registry: Registry, roots: Roots, classes: ClassSet) -> tuple[InDistribution, InDistribution]:
    """The frames to fit on and those to calibrate on: by the dataset's own splits, else every fifth calibrates.

    Raises:
        DataNotFoundError: no dataset with these classes was found.
    """
    card, splits = _dataset(registry, roots, classes)
    if len(splits) > 1:
        (fit_split, fit), (calibrate_split, calibrate) = list(splits.items())[:2]
    else:
        ((split, only),) = splits.items()
        fit = replace(only, frames=tuple(frame for index, frame in enumerate(only.frames) if index % 5))
        calibrate = replace(only, frames=only.frames[::5])
        fit_split, calibrate_split = f"{split} (four of five)", f"{split} (every fifth)"
    return (
        InDistribution(card.name, card.title, fit_split, fit),
        InDistribution(card.name, card.title, calibrate_split, calibrate),
    )


def _dataset(registry: Registry, roots: Roots, classes: ClassSet) -> tuple[DatasetCard, Mapping[str, FrameSet]]:
    """The one dataset with these classes that is found, and its splits."""
    found = []
    missing = DataNotFoundError(f"no dataset has the classes {classes.name}", "See: oodbench list datasets")
    for dataset in map(registry.dataset, registry.names("datasets")):
        if dataset.card.classes == classes:
            try:
                found.append((dataset.card, dataset.open(roots)))
            except DataNotFoundError as error:
                missing = error
    if not found:
        raise missing
    if len(found) > 1:
        names = ", ".join(card.name for card, _ in found)
        raise UsageError(
            f"several datasets with the classes {classes.name} were found: {names}", "Use --id-data NAME=DIR."
        )
    return found[0]


def spread(found: FrameSet, limit: int) -> FrameSet:
    """At most `limit` frames, evenly spaced."""
    count = len(found.frames)
    if count <= limit:
        return found
    picked = np.linspace(0, count - 1, limit).round().astype(int)
    return replace(found, frames=tuple(found.frames[index] for index in picked))
