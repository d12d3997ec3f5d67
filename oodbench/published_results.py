"""Published results for tables: the numbers of `published_results.toml`, each with its source.

`oodbench report RUN --published NAME` shows them next to measured ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from pydantic import Field

from oodbench.contracts import PublishedResult, Requirements
from oodbench.errors import UnknownNameError
from oodbench.files import read_text
from oodbench.frozen_record import FrozenRecord

_FILE = Path(__file__).with_name("published_results.toml")


class _PublishedSource(FrozenRecord):
    title: str
    reference: str
    protocol: str = ""
    confirmed: bool = True


class _PublishedValues(FrozenRecord):
    source: str
    method: str
    network: str = ""
    values: dict[str, dict[str, float]] = Field(description="benchmark -> metric -> percent")


class _PublishedNumbers(FrozenRecord):
    sources: dict[str, _PublishedSource]
    requirements: dict[str, Requirements]
    rows: tuple[_PublishedValues, ...]


def load_published() -> tuple[PublishedResult, ...]:
    """Load all published results in the order of the file."""
    numbers = _PublishedNumbers.model_validate(tomllib.loads(read_text(_FILE)))
    return tuple(
        PublishedResult(
            method=entry.method,
            network=entry.network,
            benchmark=benchmark,
            # The file has percentages with two decimals; rounding removes the error of the division.
            metrics={name: round(value / 100, 6) for name, value in values.items()},
            source=source.title,
            reference=source.reference,
            confirmed=source.confirmed,
            protocol=source.protocol,
            requirements=numbers.requirements.get(entry.method, Requirements()),
        )
        for entry in numbers.rows
        for source in [numbers.sources[entry.source]]
        for benchmark, values in entry.values.items()
    )


def find_published(names: Collection[str], here: Collection[str]) -> list[PublishedResult]:
    """Select published results by benchmark.

    Args:
        names: Benchmarks; `run` selects those of the run, `all` selects every benchmark.
        here: Benchmarks of the run.

    Raises:
        UnknownNameError: There are no published results for a named benchmark.
    """
    results = load_published()
    benchmarks = {result.benchmark for result in results}
    for name in names:
        if name not in benchmarks | {"run", "all"}:
            raise UnknownNameError("benchmark with published numbers", name, benchmarks | {"run", "all"})
    selected = benchmarks if "all" in names else {*names, *(here if "run" in names else ())}
    return [result for result in results if result.benchmark in selected]
