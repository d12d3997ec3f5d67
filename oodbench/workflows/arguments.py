"""Arguments of the functions of this package: names, files or objects, one or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from oodbench.contracts import Benchmark, Method, Segmenter
from oodbench.errors import UsageError
from oodbench.planning.loaded import LoadedBenchmark
from oodbench.planning.objects import Objects
from oodbench.registry import Registry

OneOrMore: TypeAlias = Sequence[str | Path] | str | Path
"""Names or files; a single one needs no list."""

ModelsArgument: TypeAlias = Sequence[str | Path | Segmenter] | str | Path | Segmenter
MethodsArgument: TypeAlias = Sequence[str | Method] | str | Method
BenchmarksArgument: TypeAlias = Sequence[str | LoadedBenchmark | Benchmark] | str | LoadedBenchmark | Benchmark


@dataclass(frozen=True)
class Arguments:
    """Names for a request, and objects next to them.

    Attributes:
        models, methods, benchmarks: Names and files.
        data: Folders of benchmarks that were passed as objects, as NAME=DIR.
        objects: Networks and methods.
    """

    models: tuple[str, ...]
    methods: tuple[str, ...]
    benchmarks: tuple[str, ...]
    data: tuple[str, ...]
    objects: Objects


def as_tuple(values: OneOrMore | Mapping[str, str | Path]) -> tuple[str, ...]:
    """Return names as a tuple: a single one as a tuple of one, a mapping as NAME=DIR."""
    if isinstance(values, str | Path):
        return (str(values),)
    if isinstance(values, Mapping):
        return tuple(f"{name}={folder}" for name, folder in values.items())
    return tuple(map(str, values))


def split_arguments(
    models: ModelsArgument, methods: MethodsArgument, benchmarks: BenchmarksArgument, registry: Registry
) -> Arguments:
    """Separate names from objects; benchmarks of the user's classes become known to the registry.

    Raises:
        UsageError: An object is of another kind.
    """
    model_names, segmenters = _split(
        models, (Segmenter,), "a network", "Wrap a module: oodbench.TorchSegmenter(module)."
    )
    method_names, made = _split(methods, (Method,), "a method", "Make one: oodbench.create_method(NAME, key=value).")
    known = (LoadedBenchmark, Benchmark)
    benchmark_names, opened = _split(benchmarks, known, "a benchmark", "Load one: oodbench.load_benchmark(NAME).")
    data = []
    for benchmark in opened:
        benchmark_names.append(benchmark.card.name)
        if isinstance(benchmark, Benchmark):
            registry.add_benchmark(benchmark)
        elif benchmark.found.folder is not None:
            data.append(f"{benchmark.name}={benchmark.found.folder}")
    objects = Objects(tuple(segmenters), tuple(made))
    return Arguments(tuple(model_names), tuple(method_names), tuple(benchmark_names), tuple(data), objects)


def _split(values: Any, kinds: tuple[type, ...], what: str, remedy: str) -> tuple[list[str], list[Any]]:
    single = isinstance(values, (str, Path, *kinds)) or not isinstance(values, Sequence)
    names, objects = [], []
    for value in (values,) if single else values:
        if isinstance(value, str | Path):
            names.append(str(value))
        elif isinstance(value, kinds):
            objects.append(value)
        else:
            raise UsageError(f"{type(value).__name__} is not {what}", remedy)
    return names, objects
