"""Options of a run as the user states them, and the folders of the user's data."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, field_validator

from oodbench.contracts import Roots
from oodbench.errors import UnknownNameError, UsageError
from oodbench.files import expand_home, read_text
from oodbench.frozen_record import FrozenRecord
from oodbench.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS
from oodbench.planning.array_jobs import AUTO_SHARD, find_shard
from oodbench.planning.records import DEFAULT_MEMORY, KeepScores
from oodbench.planning.shard import Shard
from oodbench.types import Resize
from oodbench.validation import explain

Stage = Literal["plan", "fit", "calibrate", "score", "evaluate", "report"]
STAGES: tuple[Stage, ...] = ("plan", "fit", "calibrate", "score", "evaluate", "report")

IfExists = Literal["continue", "reuse", "overwrite"]
"""What to do in a folder that contains a run. `continue`: resume it if it is the same run, otherwise refuse. `reuse`:
make this run there and keep the files that it can use. `overwrite`: start from scratch."""

# A size as pydantic reads it.
_SIZE = re.compile(r"\d+(\.\d+)?\s*([kmgtpe]i?b?|b)?", re.IGNORECASE)

LEADERBOARD = "leaderboard"
"""Name for the protocol of each benchmark's own leaderboard or toolkit, which is on its card."""


class Request(FrozenRecord):
    """The options of `oodbench run`, described in docs/how-to/run-benchmarks.md."""

    methods: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    model_cards: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    id_data: tuple[str, ...] = ()
    id_limit: int | None = Field(None, ge=1)
    upsample: Literal["logits", "score"] = "logits"
    resize: Resize = "bilinear"
    keep_scores: KeepScores = "all"
    memory: ByteSize = Field(DEFAULT_MEMORY, ge=0)
    limit: int | Literal["all"] | None = None
    frames: tuple[str, ...] = ()
    batch_size: int = Field(1, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = Field(0, ge=0, lt=2**32)
    out: Path | None = None
    protocols: tuple[str, ...] = (DEFAULT_PROTOCOL,)
    if_exists: IfExists = "continue"
    stop_after: Stage = "report"
    fail_fast: bool = False
    shard: Shard | None = None
    plugins: tuple[Path, ...] = ()
    executor: Literal["serial", "ray"] = "serial"
    workers: int | None = Field(None, ge=1)
    threads: int | None = Field(None, ge=1)
    gpus_per_worker: float | None = Field(None, ge=0)
    ray_address: str | None = None

    @field_validator("limit", mode="before")
    @classmethod
    def _number_or_all(cls, value: Any) -> Any:
        if value in (None, "all") or (str(value).isdecimal() and int(value) >= 1):
            return value
        raise ValueError("expected 1 or more frames, or 'all'")

    @field_validator("memory", mode="before")
    @classmethod
    def _check_size(cls, value: Any) -> Any:
        if isinstance(value, str) and not _SIZE.fullmatch(value):
            raise ValueError("expected a size such as 4GB or 512MiB")
        return value

    @field_validator("protocols")
    @classmethod
    def _check_protocols(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        validate_protocol_names(name for name in names if name != LEADERBOARD)
        return tuple(dict.fromkeys(names)) or (DEFAULT_PROTOCOL,)

    @field_validator("shard", mode="before")
    @classmethod
    def _parse_shard(cls, value: Any) -> Any:
        if value == AUTO_SHARD:
            return find_shard(os.environ)
        return Shard.of(value) if isinstance(value, str) else value

    @field_validator("out", "models", "model_cards", "checkpoints", "plugins", mode="before")
    @classmethod
    def _expand_homes(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return expand_home(value)
        return tuple(map(expand_home, value)) if isinstance(value, list | tuple) else value

    @property
    def last_stage(self) -> Stage:
        """The stage after which to stop. A shard stops after scoring: it has no results."""
        return "score" if self.shard and self.stop_after in ("evaluate", "report") else self.stop_after

    @staticmethod
    def of(**options: Any) -> Request:
        """Return a validated request.

        Raises:
            UsageError: An option is unknown, or its value is invalid.
        """
        try:
            request = Request(**options)
        except ValidationError as error:
            raise UsageError("; ".join(explain(error)), "See 'oodbench run --help' for the allowed values.") from None
        if request.frames and request.limit is not None:
            raise UsageError("--frames and --limit exclude each other", "Give one of them.")
        if request.executor == "serial":
            for name in ("workers", "gpus_per_worker", "ray_address"):
                if getattr(request, name) is not None:
                    raise UsageError(
                        f"--{name.replace('_', '-')} is an option of --executor ray", "Add --executor ray, or omit it."
                    )
        return request


def validate_protocol_names(names: Iterable[str]) -> None:
    """Check that a protocol of each name exists.

    Raises:
        UnknownNameError: A protocol does not exist.
    """
    for name in names:
        if name not in PROTOCOLS:
            raise UnknownNameError("protocol", name, PROTOCOLS, "oodbench list protocols")


_CONFIG = 'Write lists of strings: data = ["DIR", "NAME=DIR"] and id_data = [...].'


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data: list[str] = []
    id_data: list[str] = []


def config_file() -> Path:
    """Return the path of the user's config file, which need not exist."""
    return platformdirs.user_config_path("oodbench") / "config.toml"


def data_roots(data: Sequence[str], id_data: Sequence[str]) -> tuple[Roots, Roots]:
    """Return the folders to search for benchmarks and for in-distribution datasets.

    They come from the options, otherwise from OODBENCH_DATA (folders or NAME=DIR, separated as in PATH), otherwise
    from the config file. Datasets are searched for in `id_data`; if it is empty, in `data`.

    Args:
        data: Folders or NAME=DIR of `--data`.
        id_data: Folders or NAME=DIR of `--id-data`.
    """
    config = _Config()
    file = config_file()
    if file.is_file():
        try:
            config = _Config.model_validate(tomllib.loads(read_text(file)))
        except ValidationError as error:
            raise UsageError(f"{file}: {'; '.join(explain(error))}", _CONFIG) from None
        except (OSError, ValueError) as error:
            raise UsageError(f"{file}: not a readable TOML file ({error})", _CONFIG) from None
    environment = [part for part in os.environ.get("OODBENCH_DATA", "").split(os.pathsep) if part]
    chosen = list(data) or environment or config.data
    benchmarks, id_specs = _parse_roots(chosen), list(id_data) or config.id_data
    return benchmarks, _parse_roots(id_specs) if id_specs else benchmarks


def _parse_roots(specs: Sequence[str]) -> Roots:
    anywhere: list[Path] = []
    named: dict[str, tuple[Path, ...]] = {}
    for spec in specs:
        name, equals, folder = spec.partition("=")
        # A path can contain '='; the name of a benchmark or dataset never contains a path separator.
        if equals and os.sep not in name and not Path(spec).exists():
            if not folder:
                raise UsageError(f"'{spec}' names no folder", f"Give a folder: {name}=DIR.")
            named[name] = (*named.get(name, ()), Path(expand_home(folder)).absolute())
        else:
            anywhere.append(Path(expand_home(spec)).absolute())
    return Roots(tuple(anywhere), named)
