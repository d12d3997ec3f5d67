"""Types and conversion of arguments of the workflows: names, files or objects, one or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from oodbench.contracts import Benchmark, Method, Segmenter
from oodbench.errors import UsageError
from oodbench.planning.live_objects import Objects
from oodbench.planning.loaded import LoadedBenchmark
from oodbench.planning.one_or_more import OneOrMore, as_paths, as_tuple
from oodbench.registry import Registry

ModelsArgument: TypeAlias = Sequence[str | Path | Segmenter] | str | Path | Segmenter
MethodsArgument: TypeAlias = Sequence[str | Method] | str | Method
BenchmarksArgument: TypeAlias = Sequence[str | LoadedBenchmark | Benchmark] | str | LoadedBenchmark | Benchmark


@dataclass(frozen=True)
class Arguments:
    """Names for a request, separated from the objects.

    Attributes:
        models: Names and files of networks.
        methods: Names of methods.
        benchmarks: Names of benchmarks.
        data: Folders of benchmarks that were passed as objects, as NAME=DIR.
        objects: Networks and methods that were passed as objects.
    """

    models: tuple[str, ...]
    methods: tuple[str, ...]
    benchmarks: tuple[str, ...]
    data: tuple[str, ...]
    objects: Objects


def make_registry(plugins: OneOrMore) -> Registry:
    """Create the registry that also finds the plugins in these files."""
    return Registry(as_paths(plugins))


def as_frame_choices(frames: OneOrMore | Mapping[str, OneOrMore]) -> tuple[str, ...]:
    """Convert ids of frames, or a mapping from names of benchmarks to ids, to the texts that `--frames` takes."""
    if isinstance(frames, Mapping):
        return tuple(f"{name}={identity}" for name, ids in frames.items() for identity in as_tuple(ids))
    return as_tuple(frames)


def split_arguments(
    models: ModelsArgument, methods: MethodsArgument, benchmarks: BenchmarksArgument, registry: Registry
) -> Arguments:
    """Separate names from objects, and register benchmarks that were passed as objects.

    Args:
        models: Names, files or objects of networks.
        methods: Names or objects of methods.
        benchmarks: Names or objects of benchmarks.
        registry: The registry to which benchmarks are added.

    Raises:
        UsageError: An object has another type.
    """
    model_names, segmenters = _split(
        models, (Segmenter,), "a network", "Wrap a module: oodbench.TorchSegmenter(module)."
    )
    method_names, method_objects = _split(
        methods, (Method,), "a method", "Create one: oodbench.create_method(NAME, key=value)."
    )
    benchmark_names, benchmark_objects = _split(
        benchmarks, (LoadedBenchmark, Benchmark), "a benchmark", "Load one: oodbench.load_benchmark(NAME)."
    )
    data = []
    for benchmark in benchmark_objects:
        benchmark_names.append(benchmark.card.name)
        if isinstance(benchmark, Benchmark):
            registry.add_benchmark(benchmark)
        elif benchmark.found.folder is not None:
            data.append(f"{benchmark.name}={benchmark.found.folder}")
    objects = Objects(tuple(segmenters), tuple(method_objects))
    return Arguments(tuple(model_names), tuple(method_names), tuple(benchmark_names), tuple(data), objects)


def _split(values: Any, kinds: tuple[type, ...], noun: str, remedy: str) -> tuple[list[str], list[Any]]:
    single = isinstance(values, (str, Path, *kinds)) or not isinstance(values, Sequence)
    names, objects = [], []
    for value in (values,) if single else values:
        if isinstance(value, str | Path):
            names.append(str(value))
        elif isinstance(value, kinds):
            objects.append(value)
        else:
            raise UsageError(f"{type(value).__name__} is not {noun}", remedy)
    return names, objects
