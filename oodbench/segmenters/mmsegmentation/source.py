"""The value of `--model` for a network of MMSegmentation: a config, and options for inference."""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from oodbench.errors import ModelError, UnknownNameError, UsageError
from oodbench.frozen_record import FrozenRecord
from oodbench.registry import key_values
from oodbench.segmenters.mmsegmentation.installation import explain_missing
from oodbench.types import Size
from oodbench.validation import explain

# CONFIG:key=value,...; a colon in a path is not followed by key=value.
_SPEC = re.compile(r"(?P<config>.+?)(?::(?P<options>\w+=.*))?")
# Names of released configs of MMSegmentation: algorithm_backbone_schedule_dataset-crop.
_ZOO_NAME = re.compile(r"[a-z0-9+-]+(_[A-Za-z0-9.+-]+){2,}-\d+x\d+")


class Inference(FrozenRecord):
    """The options for inference. An option that is None has the value in the config."""

    mode: Literal["whole", "slide"] | None = Field(None, description="the whole image at once, or sliding windows")
    window: Size | None = Field(None, description="size of a sliding window, 768 or HEIGHTxWIDTH; implies mode=slide")
    stride: Size | None = Field(None, description="distance between neighbouring windows, 512 or HEIGHTxWIDTH")

    @field_validator("window", "stride", mode="before")
    @classmethod
    def _size(cls, value: object) -> object:
        if isinstance(value, str):
            sides = value.split("x")
            if not all(side.isdecimal() and int(side) > 0 for side in sides) or len(sides) > 2:
                raise ValueError("expected pixels, for example 768 or 512x1024 (height x width)")
            return int(sides[0]), int(sides[-1])
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Inference:
        if self.mode == "whole" and (self.window or self.stride):
            raise ValueError("mode=whole can't be combined with window or stride")
        return self


@dataclass(frozen=True)
class ConfigSource:
    """A parsed value of `--model`, `CONFIG` or `CONFIG:key=value,...`.

    Attributes:
        config: A config file, or the name of a config in MMSegmentation's wheel.
        inference: The options for inference.
    """

    config: str
    inference: Inference

    @staticmethod
    def of(text: str) -> ConfigSource:
        """Parse the value of `--model`.

        Args:
            text: The value.

        Raises:
            UsageError: An option is unknown, given twice, or has an invalid value.
        """
        config, options = _split(text)
        values = key_values(options, f"--model {text}", "Correct the options; docs/reference/models.md has examples.")
        for key in values:
            if key not in Inference.model_fields:
                raise UnknownNameError("option of a network of MMSegmentation", key, Inference.model_fields)
        try:
            return ConfigSource(config, Inference.model_validate(values))
        except ValidationError as error:
            raise UsageError(
                f"--model {text}: {'; '.join(explain(error))}",
                "Correct the options; docs/reference/models.md has examples.",
            ) from None

    def file(self) -> Path:
        """Return the path of the config.

        Raises:
            ModelError: There is no such file, and no config of this name in the wheel.
            MissingExtraError: The config is given by name, and MMSegmentation is not installed.
        """
        if self.config.endswith(".py") and (Path(self.config).is_file() or Path(self.config).name != self.config):
            path = Path(self.config)
            if not path.is_file():
                raise ModelError(
                    f"{path}: no such file; expected a config of MMSegmentation", "Check the path of --model."
                )
            return path
        folder = _find_config_folder()
        if folder is None:
            raise explain_missing(f"--model {self.config}", ImportError("No module named 'mmseg'"))
        configs = _list_configs(folder)
        name = self.config.removesuffix(".py")
        if name not in configs:
            nearest = difflib.get_close_matches(name, configs, n=1, cutoff=0)
            raise ModelError(
                f"--model {self.config}: no such file, and no config of that name in {folder}",
                f"Check the name. The nearest name in the folder is {nearest[0]}.",
            )
        return configs[name]


def is_config(text: str) -> bool:
    """Return whether a value of `--model` is a config of MMSegmentation, without importing MMSegmentation."""
    config, _ = _split(text)
    if config.endswith(".py"):
        return True
    folder = _find_config_folder()
    return config in _list_configs(folder) if folder is not None else bool(_ZOO_NAME.fullmatch(config))


def _split(text: str) -> tuple[str, str]:
    match = _SPEC.fullmatch(text)
    return (match["config"], match["options"] or "") if match else (text, "")


def _find_config_folder() -> Path | None:
    """Return the folder of the configs in the wheel of MMSegmentation."""
    spec = importlib.util.find_spec("mmseg")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    # An editable installation of the repository has the configs next to the package.
    folders = (package / ".mim" / "configs", package.parent / "configs")
    return next((folder for folder in folders if folder.is_dir()), None)


def _list_configs(folder: Path) -> dict[str, Path]:
    """Return the configs of complete networks by name."""
    return {path.stem: path for path in sorted(folder.glob("*/*.py")) if path.parent.name != "_base_"}
