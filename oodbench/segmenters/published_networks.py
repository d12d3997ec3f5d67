"""Third-party networks that papers evaluate on, with their origin, licence and usage.

The list is published_networks.toml; `oodbench list models` and docs/reference/models.md show it. None of these
networks is bundled. The module has no slow imports.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field

from oodbench.files import read_text
from oodbench.frozen_record import FrozenRecord

_FILE = Path(__file__).with_name("published_networks.toml")


class PublishedNetwork(FrozenRecord):
    """A third-party network. A field that is None is unknown."""

    name: str = Field(description="name of the network in oodbench", pattern="^[a-z0-9-]+$")
    title: str = Field(description="architecture, backbone and authors")
    page: str = Field(description="address of the authors' description", pattern="^https://")
    weights: str | None = Field(
        None, description="address of the weights; by default they are linked on the page", pattern="^https://"
    )
    digest: str | None = Field(
        None, description="first digits of the SHA-256 of the weights", pattern="^[0-9a-f]{8,64}$"
    )
    licence: str | None = Field(None, description="licence of the weights, as stated by the authors")
    miou: float | None = Field(
        None, gt=0, lt=100, description="published mIoU on Cityscapes val at a single scale, in percent"
    )
    images: str = Field(description="preprocessing of images")
    align_corners: bool = Field(description="whether the network resizes maps with aligned corners")
    use: str = Field(description="option or action that makes the network usable in oodbench")

    def facts(self) -> dict[str, str]:
        """Return the facts to show, as texts by heading, in order."""
        return {
            "page": self.page,
            "weights": self.weights or "on its page",
            "digest": self.digest or "unknown",
            "licence": self.licence or "unknown",
            "mIoU": str(self.miou or "unknown"),
            "images": self.images,
            "align_corners": "yes" if self.align_corners else "no",
            "how": self.use,
        }


class _List(FrozenRecord):
    networks: tuple[PublishedNetwork, ...]


def published_networks() -> tuple[PublishedNetwork, ...]:
    """Return the published networks, in the order of published_networks.toml."""
    return _List.model_validate(tomllib.loads(read_text(_FILE))).networks
