"""What others published, for tables: the numbers of `published_results.toml` beside this file, each with its source.

`oodbench report RUN --published NAME` puts them beside measured ones.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from oodbench.contracts import PublishedResult, Requirements
from oodbench.errors import UnknownNameError

_FILE = Path(__file__).with_name("published_results.toml")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Record):
    title: str
    reference: str
    protocol: str = ""
    confirmed: bool = True


class _Values(_Record):
    source: str
    method: str
    network: str = ""
    values: dict[str, dict[str, float]] = Field(description="benchmark -> metric -> percent")


class _Numbers(_Record):
    sources: dict[str, _Source]
    contamination: dict[str, Requirements]
    rows: tuple[_Values, ...]


def published_results() -> tuple[PublishedResult, ...]:
    """All of them, in the order of the file."""
    numbers = _Numbers.model_validate(tomllib.loads(_FILE.read_text(encoding="utf-8")))
    return tuple(
        PublishedResult(
            method=row.method,
            network=row.network,
            benchmark=benchmark,
            # Percent with two decimals: rounding takes away what the division adds.
            metrics={name: round(value / 100, 6) for name, value in values.items()},
            source=source.title,
            reference=source.reference,
            confirmed=source.confirmed,
            protocol=source.protocol,
            contamination=numbers.contamination.get(row.method, Requirements()),
        )
        for row in numbers.rows
        for source in [numbers.sources[row.source]]
        for benchmark, values in row.values.items()
    )


def find_published(names: Collection[str], here: Collection[str]) -> list[PublishedResult]:
    """Those on some benchmarks.

    Args:
        names: benchmarks; `run` stands for those of the run, `all` for every one.
        here: those of the run.

    Raises:
        UnknownNameError: nothing is published on a benchmark of that name.
    """
    rows = published_results()
    known = {row.benchmark for row in rows}
    for name in names:
        if name not in known | {"run", "all"}:
            raise UnknownNameError("benchmark with published numbers", name, known | {"run", "all"})
    wanted = known if "all" in names else {*names, *(here if "run" in names else ())}
    return [row for row in rows if row.benchmark in wanted]
