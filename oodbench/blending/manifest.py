"""What a folder of blended frames says of itself, in `synthetic-blend.json`. It is written last: without it the folder
is not whole."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from oodbench.errors import DataError
from oodbench.validation import explain

MANIFEST = "synthetic-blend.json"
VERSION = 3
"""Raised with every change that moves a label or more than a grey level."""


class Pasted(BaseModel):
    """Something that was pasted; its box in pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    label: Literal["anomaly", "ordinary"]
    left: int
    top: int
    width: int
    height: int


class Blended(BaseModel):
    """One frame.

    Attributes:
        source: id of the frame that it was made of.
        pixels: digest of its pixels.
        pasted: from far to near.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    pixels: str
    pasted: list[Pasted]


class Manifest(BaseModel):
    """A folder of blended frames.

    Attributes:
        version: of what makes them.
        seed: of all chance.
        material: digest of the frames, their labels, and the cut-outs.
        frames: by name, `<nnnn>_<id>`, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    seed: int
    material: str
    frames: dict[str, Blended]

    def identity(self, name: str) -> str:
        """What decides on a frame, wherever it was made."""
        return f"synthetic-blend {self.version} {self.seed} {self.material} {name}"


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder.

    Raises:
        DataError: it can't be read, or says something else than a manifest does.
    """
    path = folder / MANIFEST
    remedy = "Write the folder again with 'oodbench data blend'."
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(f"{path}: {'; '.join(explain(error))}", remedy) from None
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})", remedy) from None
