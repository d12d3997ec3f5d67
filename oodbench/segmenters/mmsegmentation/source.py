"""What `--model` says of a network of MMSegmentation: a config, and how images go through it."""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from oodbench.errors import MissingExtraError, ModelError, UnknownNameError, UsageError
from oodbench.registry import key_values
from oodbench.types import Size
from oodbench.validation import explain

# CONFIG:key=value,...; a colon in a path is followed by no such thing.
_SPEC = re.compile(r"(?P<config>.+?)(?::(?P<options>\w+=.*))?")
# How MMSegmentation names its configs: algorithm_backbone_schedule_dataset-crop.
_ZOO_NAME = re.compile(r"[a-z0-9+-]+(_[A-Za-z0-9.+-]+){2,}-\d+x\d+")


class Inference(BaseModel):
    """How images go through the network; what is left out is as the config says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["whole", "slide"] | None = Field(None, description="the whole image at once, or windows of it")
    window: Size | None = Field(None, description="size of a window, 768 or HEIGHTxWIDTH; windows are then taken")
    stride: Size | None = Field(None, description="from one window to the next, 512 or HEIGHTxWIDTH")

    @field_validator("window", "stride", mode="before")
    @classmethod
    def _size(cls, value: object) -> object:
        if isinstance(value, str):
            sides = value.split("x")
            if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
                raise ValueError("expected pixels, as 768 or 512x1024 (height x width)")
            return int(sides[0]), int(sides[-1])
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Inference:
        if self.mode == "whole" and (self.window or self.stride):
            raise ValueError("mode=whole takes neither window nor stride")
        return self


@dataclass(frozen=True)
class Source:
    """`CONFIG` or `CONFIG:key=value,...`, taken apart; CONFIG is a file, or a name in MMSegmentation's wheel."""

    config: str
    inference: Inference

    @staticmethod
    def of(text: str) -> Source:
        """Read it.

        Raises:
            UsageError: an option is unknown, given twice, or has a value that it can't have.
        """
        config, options = _apart(text)
        given = key_values(options, f"--model {text}", "docs/models.md has examples.")
        for key in given:
            if key not in Inference.model_fields:
                raise UnknownNameError("option of a network of MMSegmentation", key, Inference.model_fields)
        try:
            return Source(config, Inference.model_validate(given))
        except ValidationError as error:
            raise UsageError(f"--model {text}: {'; '.join(explain(error))}", "docs/models.md has examples.") from None

    def file(self) -> Path:
        """The config.

        Raises:
            ModelError: there is no such file, and no such name in the wheel.
            MissingExtraError: it is a name, and MMSegmentation is not installed.
        """
        if self.config.endswith(".py") and (Path(self.config).is_file() or Path(self.config).name != self.config):
            path = Path(self.config)
            if not path.is_file():
                raise ModelError(f"{path}: no such file; expected a config of MMSegmentation")
            return path
        folder = _zoo()
        if folder is None:
            raise MissingExtraError(f"--model {self.config}", "mmseg", ImportError("No module named 'mmseg'"))
        found = _named(folder)
        name = self.config.removesuffix(".py")
        if name not in found:
            nearest = difflib.get_close_matches(name, found, n=1, cutoff=0)
            raise ModelError(
                f"--model {self.config}: no such file, and no config of that name in {folder}",
                f"The nearest name there is {nearest[0]}.",
            )
        return found[name]


def is_config(text: str) -> bool:
    """Whether `--model TEXT` is for MMSegmentation; tells without importing it."""
    config, _ = _apart(text)
    if config.endswith(".py"):
        return True
    folder = _zoo()
    return config in _named(folder) if folder is not None else bool(_ZOO_NAME.fullmatch(config))


def _apart(text: str) -> tuple[str, str]:
    match = _SPEC.fullmatch(text)
    return (match["config"], match["options"] or "") if match else (text, "")


def _zoo() -> Path | None:
    """Where the wheel has its configs."""
    spec = importlib.util.find_spec("mmseg")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    # An editable install of its repository has them beside the package.
    folders = (package / ".mim" / "configs", package.parent / "configs")
    return next((folder for folder in folders if folder.is_dir()), None)


def _named(folder: Path) -> dict[str, Path]:
    """name -> config, of those that are whole networks."""
    return {path.stem: path for path in sorted(folder.glob("*/*.py")) if path.parent.name != "_base_"}
