"""The manifest `synthetic-blend.json` of a folder of blended frames.

The manifest is written last. A folder without it is incomplete.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from oodbench.errors import DataError
from oodbench.files import read_text
from oodbench.frozen_record import FrozenRecord
from oodbench.text import FrameId, Name
from oodbench.validation import explain

MANIFEST = "synthetic-blend.json"
VERSION = 3
"""Version of the blending. Raise it with every change that affects a label, or a pixel by more than one grey level."""


class PastedObject(FrozenRecord):
    """A pasted object and its box in pixels."""

    kind: Name
    label: Literal["anomaly", "ordinary"]
    left: int
    top: int
    width: int
    height: int


class BlendedFrame(FrozenRecord):
    """One blended frame.

    Attributes:
        source: Id of the original frame.
        pixels: Digest of its pixels.
        pasted: Pasted objects, from far to near.
    """

    source: FrameId
    pixels: str
    pasted: list[PastedObject]


class Manifest(FrozenRecord):
    """The manifest of a folder of blended frames.

    Attributes:
        version: Version of the blending.
        seed: Seed of all random choices.
        material: Digest of the original frames, their labels, and the cut-outs.
        frames: Frames by name, `<nnnn>_<id>`, sorted.
    """

    version: int
    seed: int
    material: str
    frames: dict[FrameId, BlendedFrame]

    def identity(self, name: str) -> str:
        """Return the identity of a frame: everything that determines its content."""
        return f"synthetic-blend {self.version} {self.seed} {self.material} {name}"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        DataError: The manifest can't be read or has invalid content.
    """
    path = folder / MANIFEST
    remedy = "Write the folder again with 'oodbench data blend'."
    try:
        return Manifest.model_validate_json(read_text(path))
    except ValidationError as error:
        raise DataError(f"{path}: {'; '.join(explain(error))}", remedy) from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read ({error})", remedy) from None
