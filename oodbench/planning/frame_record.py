"""Record of one frame of a plan."""

from __future__ import annotations

from pydantic import Field

from oodbench.frozen_record import FrozenRecord
from oodbench.text import Digest, FrameId, OptionalLabel


class FrameRecord(FrozenRecord):
    """One frame of a plan.

    Attributes:
        id: The id of the frame, unique in its benchmark or dataset.
        group: The group of the frame, such as its sequence.
        key: Name of the frame's stored maps: the digest of the image, of the plugin code that reads it, and of the
            size to which scores are resized.
        digest: Digest of the image and the labels.
        height: Height of the labels in pixels.
        width: Width of the labels in pixels.
        pixels: Number of in-distribution, anomalous and void pixels. For semantic labels: labelled, 0, void.
    """

    id: FrameId
    group: OptionalLabel
    key: str = Field(pattern="^[0-9a-f]{20}$")
    digest: Digest
    height: int
    width: int
    pixels: tuple[int, int, int]

    @property
    def place(self) -> str:
        """A name of the frame in its benchmark, which frames with the same content do not share."""
        return f"{self.digest}/{self.id}"
