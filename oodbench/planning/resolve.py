"""Lookup of the methods, networks, benchmarks and in-distribution frames of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from oodbench.contracts import DatasetCard, Roots, Segmenter
from oodbench.data.folders import find_unreadable
from oodbench.errors import DataNotFoundError, ModelError, UnknownNameError, UsageError
from oodbench.files import digest_bytes
from oodbench.planning.adapters import find_adapter, split_options
from oodbench.planning.live_objects import MethodSource, Objects, describe_method
from oodbench.planning.request import Request
from oodbench.registry import Registry, method_label
from oodbench.text import find_fault, shorten
from oodbench.types import ClassSet, FrameSet
from oodbench.user_code import collect_used_code, explain_missing_modules

NO_OBJECTS = Objects()

# Number of frames to fit on and to calibrate on if neither the user nor the dataset sets one.
_DEFAULT_FRAMES = 500

METHOD_SETS = ("standard", "all")
"""Values of `--method` that select several methods: the frozen standard set, and every method."""


def find_methods(request: Request, registry: Registry, objects: Objects = NO_OBJECTS) -> list[MethodSource]:
    """Return the methods of a request.

    If the request names no methods, the bundled models get the basic comparison. Other networks get the standard set
    and the methods of the request's plugin files. Methods that are added later change neither set.
    """
    for spec in request.methods:
        _check_method_name(registry, spec)
    expanded = (_expand(registry, name) if name in METHOD_SETS else [name] for name in request.methods)
    names = list(dict.fromkeys(chain.from_iterable(expanded)))
    if not names and not objects.methods:
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


def _check_method_name(registry: Registry, spec: str) -> None:
    """Raise if a spec names neither a method nor a set, or a set with parameters."""
    name, colon, _ = spec.partition(":")
    if name in METHOD_SETS and colon:
        raise UsageError(
            f"--method {spec}: '{name}' is a set of methods, which takes no parameters",
            f"Use --method {name}, or name one method with its parameters, for example knn:k=5.",
        )
    names = registry.names("methods")
    if name not in (*names, *METHOD_SETS):
        see = f"oodbench list methods. The sets {' and '.join(map(repr, METHOD_SETS))} select several methods."
        raise UnknownNameError("method", name, names, see)


def _expand(registry: Registry, method_set: str) -> list[str]:
    names = registry.names("methods")
    return [name for name in names if method_set == "all" or registry.method(name).card.standard]


def _is_default(registry: Registry, name: str, bundled: bool) -> bool:
    card = registry.method(name).card
    return card.basic if bundled else card.standard or registry.is_given("methods", name)


def _describe_named(registry: Registry, spec: str) -> MethodSource:
    card = registry.method(spec).card
    return MethodSource(spec, lambda: registry.method(spec), registry.source_digest("methods", card.name))


def check_segmenter(segmenter: Segmenter) -> None:
    """Check the name of a network and of its classes, which tables and figures show, and its digest.

    Raises:
        ModelError: A name is not one line of printable text, or the digest is not a SHA-256.
    """
    names = {"name of the network": segmenter.name, "name of its class set": segmenter.classes.name}
    names |= {f"name of its class {index}": name for index, name in enumerate(segmenter.classes.names)}
    for noun, name in names.items():
        if fault := find_fault(name):
            raise ModelError(
                f"the {noun}, {shorten(name)}: {fault}", "Give another name in the model card or with name=."
            )
    if not re.fullmatch("[0-9a-f]{64}", segmenter.digest):
        raise ModelError(
            f"{segmenter.name}: its digest is {shorten(segmenter.digest)}; expected a SHA-256, 64 hexadecimal digits",
            "Compute it with hashlib.sha256(...).hexdigest().",
        )


class ModelSource(NamedTuple):
    """Source of a network: `--model`, `--model-card` and `--checkpoint`; the latter two as absolute paths."""

    source: str
    card: str | None = None
    checkpoint: str | None = None

    def open(self, registry: Registry, device: Literal["auto", "cpu", "cuda"]) -> Segmenter:
        """Open the network with the adapter for its format; its digest covers the user code that it uses."""
        adapter = find_adapter(self.source, registry)
        card = Path(self.card) if self.card else None
        with collect_used_code() as used, explain_missing_modules():
            if self.checkpoint is None:
                segmenter = adapter.open(self.source, card, device)
            else:
                segmenter = adapter.open_checkpoint(self.source, Path(self.checkpoint), card, device)
        source_digest = registry.source_digest("models", adapter.card.name)
        if source_digest is not None:
            used.add(source_digest)
        check_segmenter(segmenter)
        if used:  # the digest of weights does not cover the code that runs them
            segmenter.digest = digest_bytes(json.dumps([segmenter.digest, *sorted(used)]).encode())
        return segmenter

    def recorded(self) -> str:
        """Return `--model` with an absolute path, so that the network can be opened from another folder."""
        path, options = split_options(self.source)
        return f"{Path(path).absolute()}{options}" if Path(path).exists() else self.source


def model_sources(request: Request, registry: Registry) -> list[ModelSource]:
    """Return the source of each network of a request; the bundled models if it names none.

    Raises:
        UsageError: It is not clear which network has which model card or checkpoint.
    """
    # Imported late: importing torch takes seconds, and reading results doesn't need it.
    from oodbench.segmenters.bundled import BUNDLED

    sources = request.models or BUNDLED
    cards = _match_cards(request, registry)
    checkpoints = _match_files("--checkpoint", request.checkpoints, request, "as CONFIG.safetensors for CONFIG.py")
    nothing = [None] * len(sources)
    return [ModelSource(*parts) for parts in zip(sources, cards or nothing, checkpoints or nothing, strict=True)]


def _match_cards(request: Request, registry: Registry) -> list[str | None]:
    """Return the model card of each network, or an empty list if none is given.

    Fewer cards than networks belong to the networks that have no card yet.
    """
    cards = request.model_cards
    if cards and len(cards) < len(request.models):
        needed = [find_adapter(source, registry).needs_card(source) for source in request.models]
        if sum(needed) == len(cards):
            remaining = map(_make_absolute, cards)
            return [next(remaining) if needs_card else None for needs_card in needed]
    return [*_match_files("--model-card", cards, request, "as FILE.toml for FILE.onnx")]


def _match_files(option: str, files: Sequence[str], request: Request, naming: str) -> list[str]:
    """Return the files of an option as absolute paths: one per network, or none."""
    if files and len(files) != len(request.models):
        raise UsageError(
            f"{len(files)} {option} for {len(request.models)} --model; expected one per --model, in the same order",
            f"Give one per --model, or put each file next to its network, {naming}.",
        )
    return [_make_absolute(file) for file in files]


def _make_absolute(file: str) -> str:
    return str(Path(file).absolute())


class OpenedNetwork(NamedTuple):
    """A network and its source; the source is None if the network was passed as an object."""

    segmenter: Segmenter
    source: ModelSource | None


def open_networks(request: Request, registry: Registry, objects: Objects = NO_OBJECTS) -> dict[str, OpenedNetwork]:
    """Return the networks of a request by name.

    Raises:
        UsageError: Two networks have the same name.
        ModelError: The name or the digest of a network is not valid.
    """
    sources = model_sources(request, registry) if request.models or not objects.segmenters else []
    opened = [OpenedNetwork(source.open(registry, request.device), source) for source in sources]
    for segmenter in objects.segmenters:
        check_segmenter(segmenter)
        opened.append(OpenedNetwork(segmenter, None))
    networks: dict[str, OpenedNetwork] = {}
    for network in opened:
        name = network.segmenter.name
        if name in networks:
            raise UsageError(
                f"two networks are called '{name}'", "Give each its own name, in its model card or with name=."
            )
        networks[name] = network
    return networks


def shared_class_set(networks: Mapping[str, Segmenter]) -> ClassSet:
    """Return the class set that all networks share.

    Raises:
        UsageError: The networks have different class sets; a run has one.
    """
    sets = {network.classes.name: network.classes for network in networks.values()}
    if len(sets) > 1:
        raise UsageError(
            f"the networks have different class sets: {', '.join(sets)}",
            "Run them separately, each with its own --out.",
        )
    return next(iter(sets.values()))


def validate_named_roots(data: Roots, id_data: Roots, registry: Registry) -> None:
    """Check that the name in each NAME=DIR is the name of a benchmark or dataset.

    Raises:
        UnknownNameError: A name belongs to no benchmark or dataset.
    """
    datasets = registry.names("datasets")
    choices = [*registry.names("benchmarks"), *datasets]
    for name in data.named:
        if name not in choices:
            raise UnknownNameError("benchmark or dataset in NAME=DIR", name, choices, "oodbench list benchmarks")
    for name in id_data.named if id_data is not data else ():
        if name not in datasets:
            raise UnknownNameError("in-distribution dataset in NAME=DIR", name, datasets, "oodbench list datasets")


def find_synthetic_world(networks: Mapping[str, Segmenter], registry: Registry) -> str:
    """Return the name of the synthetic dataset on which all networks were trained; empty if there is none."""
    trained_on = {network.trained_on for network in networks.values()}
    synthetic = {registry.benchmark(name).card.dataset for name in registry.names("benchmarks")} - {""}
    return trained_on.pop() if len(trained_on) == 1 and trained_on <= synthetic else ""


def find_benchmarks(request: Request, registry: Registry, data: Roots, world: str) -> dict[str, FrameSet]:
    """Return the frames of each benchmark of a request, by name.

    If the request names no benchmarks, networks of a synthetic `world` get its benchmarks. Benchmarks on disk are
    added if there is no world or if the request names folders. A variant of a benchmark is used only if the request
    names its folder.

    Args:
        request: The request.
        registry: The registry.
        data: The folders to search.
        world: The name of the synthetic dataset on which the networks were trained; empty if there is none.

    Raises:
        DataNotFoundError: No benchmark was found, or one that the request names was not found.
    """
    sets: dict[str, FrameSet] = {}
    candidates = []
    on_disk = not world or bool(request.data)
    for name in dict.fromkeys(request.benchmarks) or registry.names("benchmarks"):
        benchmark = registry.benchmark(name)
        wanted = benchmark.card.dataset == world if benchmark.card.dataset else on_disk
        usual = not benchmark.card.variant_of or name in data.named
        if not (request.benchmarks or (wanted and usual)):
            continue
        candidates.append(name)
        try:
            sets[name] = benchmark.open(data)
        except DataNotFoundError:
            if request.benchmarks or name in data.named:
                raise
    if not sets:
        folders = ", ".join(map(str, data.anywhere)) or "no folder"
        raise DataNotFoundError(
            f"no benchmark was found in {folders}; looked for {', '.join(candidates)}",
            "Give the folder of a benchmark: --data DIR, or OODBENCH_DATA=DIR. 'oodbench info benchmark NAME' shows "
            "where to get it.",
        )
    return sets


class AmbiguousDatasetError(UsageError):
    """Error about several in-distribution datasets, of which the user must name one."""


class InDistributionFrames(NamedTuple):
    """The frames of a split of a dataset, with their names for records and messages."""

    name: str
    title: str
    split: str
    found: FrameSet


def find_in_distribution(
    registry: Registry, roots: Roots, classes: ClassSet | None, world: str = ""
) -> tuple[InDistributionFrames, InDistributionFrames]:
    """Return the frames to fit on and the frames to calibrate on.

    They come from the synthetic `world`, or from the dataset on disk with these classes. A dataset with one split is
    divided: every fifth frame is for calibration.

    Args:
        registry: The registry.
        roots: The folders to search.
        classes: The classes of the dataset; None: any classes.
        world: The name of a synthetic dataset; empty: a dataset on disk.

    Raises:
        DataNotFoundError: No dataset with these classes was found.
        AmbiguousDatasetError: Several datasets with these classes were found.
    """
    return divide_splits(*_find_dataset(registry, roots, classes, world))


def divide_splits(
    card: DatasetCard, splits: Mapping[str, FrameSet]
) -> tuple[InDistributionFrames, InDistributionFrames]:
    """Return the frames of a dataset to fit on and those to calibrate on, from the splits that were found."""
    if len(splits) > 1:
        (fit_split, fit), (calibrate_split, calibrate) = list(splits.items())[:2]
    else:
        ((split, frame_set),) = splits.items()
        fit = replace(frame_set, frames=tuple(frame for index, frame in enumerate(frame_set.frames) if index % 5))
        calibrate = replace(frame_set, frames=frame_set.frames[::5])
        fit_split, calibrate_split = f"{split} (four of five)", f"{split} (every fifth)"
    return (
        InDistributionFrames(card.name, card.title, fit_split, fit),
        InDistributionFrames(card.name, card.title, calibrate_split, calibrate),
    )


def _find_dataset(
    registry: Registry, roots: Roots, classes: ClassSet | None, world: str
) -> tuple[DatasetCard, Mapping[str, FrameSet]]:
    """Return the card and the splits of the synthetic `world`, or of the dataset on disk with these classes."""
    found = []
    wanted = f"with the classes {classes.name}" if classes else "of in-distribution frames"
    candidates = []
    for dataset in map(registry.dataset, registry.names("datasets")):
        card = dataset.card
        if not (card.name == world if world else not card.synthetic):
            continue
        if classes is None or card.classes in (classes, None):
            candidates.append(card)
        try:
            if classes is None or dataset.classes(roots) == classes:
                found.append((card, dataset.open(roots)))
        except DataNotFoundError:
            if card.name in roots.named:
                raise
    # A dataset whose folder the user named comes first.
    found = [part for part in found if part[0].name in roots.named] or found
    if not found:
        raise _describe_missing(candidates, roots, wanted)
    if len(found) > 1:
        names = ", ".join(f"{card.name} in {next(iter(splits.values())).folder}" for card, splits in found)
        raise AmbiguousDatasetError(
            f"several datasets {wanted} were found: {names}",
            f"Name the one to fit and calibrate on: --id-data {found[0][0].name}=DIR.",
        )
    return found[0]


def _describe_missing(candidates: Sequence[DatasetCard], roots: Roots, wanted: str) -> DataNotFoundError:
    """Return the error that none of these datasets was found."""
    searched = [*roots.anywhere, *chain.from_iterable(roots.named.values())]
    where = f"was found in {', '.join(map(str, searched))}" if searched else "was found; no folder was given"
    unreadable = "".join(f"; {folder} can't be read" for folder in find_unreadable(searched))
    looks = "".join(
        f"\n       - {card.name}: {'; or '.join(card.layouts.values())}" for card in candidates if card.layouts
    )
    return DataNotFoundError(
        f"no dataset {wanted} {where}{unreadable}; expected one of:{looks}",
        "Give its folder with --id-data DIR. 'oodbench info dataset NAME' shows where to get it.",
    )


def take_first(found: FrameSet, limit: int | Literal["all"] | None) -> FrameSet:
    """Limit a set to its first frames: to `limit`, or to the set's default if `limit` is None."""
    count = found.default if limit is None else None if limit == "all" else limit
    return replace(found, frames=found.frames[:count])


def take_evenly(found: FrameSet, limit: int | None) -> FrameSet:
    """Limit a set to evenly spaced frames: to `limit`, or to the set's default, or to 500."""
    count = len(found.frames)
    limit = limit or found.default or _DEFAULT_FRAMES
    if count <= limit:
        return found
    indices = np.linspace(0, count - 1, limit).round().astype(int)
    return replace(found, frames=tuple(found.frames[index] for index in indices))
