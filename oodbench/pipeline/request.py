"""What the user asks for, before anything is looked up; and where their data lies."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, ValidationError

from oodbench.contracts import Roots
from oodbench.errors import UsageError

Stage = Literal["plan", "fit", "calibrate", "score", "evaluate", "report"]
STAGES: tuple[Stage, ...] = ("plan", "fit", "calibrate", "score", "evaluate", "report")

KeepScores = Literal["all", "figures", "none"]
"""What stays of the score maps after evaluation: all, those of the frames in the figures, none."""

Policy = Literal["same", "resume", "overwrite"]
"""What to do in a folder that holds a run: go on if it is the same run (`same`), go on and keep what fits this one
(`resume`), start anew (`overwrite`)."""


@dataclass(frozen=True)
class Request:
    """The options of `oodbench run`; docs/run.md describes each."""

    methods: Sequence[str] = ()
    models: Sequence[str] = ()
    model_cards: Sequence[str] = ()
    benchmarks: Sequence[str] = ()
    data: Sequence[str] = ()
    id_data: Sequence[str] = ()
    id_limit: int = 500
    upsample: Literal["logits", "score"] = "logits"
    keep_scores: KeepScores = "all"
    limit: int | None = None
    batch_size: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    out: Path | None = None
    policy: Policy = "same"
    until: Stage = "report"
    plugins: Sequence[Path] = ()

    def __post_init__(self) -> None:
        for name in ("limit", "id_limit", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}; expected 1 or more")


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data: list[str] = []
    id_data: list[str] = []


def config_file() -> Path:
    """The user's config file; it may be absent."""
    return platformdirs.user_config_path("oodbench") / "config.toml"


def data_roots(data: Sequence[str], id_data: Sequence[str]) -> tuple[Roots, Roots]:
    """Where benchmarks and in-distribution datasets may lie.

    From the options; where there are none from OODBENCH_DATA (folders or NAME=DIR, parted as in PATH); where that is
    unset from the config file. Datasets are looked for in `id_data`, and in `data` where that is empty.
    """
    config = _Config()
    file = config_file()
    if file.is_file():
        try:
            config = _Config.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError) as error:
            raise UsageError(f"{file}: {error}", 'Expected: data = ["DIR", "NAME=DIR"] and id_data = [...]') from None
    environment = [part for part in os.environ.get("OODBENCH_DATA", "").split(os.pathsep) if part]
    chosen = list(data) or environment or config.data
    return _roots(chosen), _roots(list(id_data) or config.id_data or chosen)


def _roots(specs: Sequence[str]) -> Roots:
    anywhere: list[Path] = []
    named: dict[str, tuple[Path, ...]] = {}
    for spec in specs:
        name, equals, folder = spec.partition("=")
        # A path may hold '=' itself; a data set's name never holds a separator.
        if equals and os.sep not in name and not Path(spec).exists():
            named[name] = (*named.get(name, ()), Path(folder).expanduser().absolute())
        else:
            anywhere.append(Path(spec).expanduser().absolute())
    return Roots(tuple(anywhere), named)
