"""Networks that others published and papers measure on: where from, under which licence, how they come in.

The list is published_networks.toml; `oodbench list models` and docs/models.md show it. None of them comes with the
program, and nothing here is imported that is slow to import.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

_FILE = Path(__file__).with_name("published_networks.toml")


class PublishedNetwork(BaseModel):
    """One of them. None: not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="what to call it here", pattern="^[a-z0-9-]+$")
    title: str = Field(description="architecture, backbone, and whose")
    page: str = Field(description="where its authors describe it", pattern="^https://")
    weights: str | None = Field(None, description="its weights; without it, they lie on the page", pattern="^https://")
    digest: str | None = Field(
        None, description="first digits of the SHA-256 of its weights", pattern="^[0-9a-f]{8,64}$"
    )
    licence: str | None = Field(None, description="of the weights, as its authors state it")
    miou: float | None = Field(None, gt=0, lt=100, description="on Cityscapes val, one scale, as published, in percent")
    images: str = Field(description="how images are prepared")
    align_corners: bool = Field(description="how it resizes maps inside: bilinear-aligned where true")
    use: str = Field(description="how to bring it in")

    def facts(self) -> dict[str, str]:
        """What to show of it, in order: heading -> text."""
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


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: tuple[PublishedNetwork, ...]


def published_networks() -> tuple[PublishedNetwork, ...]:
    """All of them, in the order of the file."""
    return _List.model_validate(tomllib.loads(_FILE.read_text(encoding="utf-8"))).networks
