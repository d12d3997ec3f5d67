"""Numbers that others published, to stand beside measured ones; and what a method has had that others have not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Requirement: TypeAlias = Literal["retraining", "extra_network", "ood_data"]

REQUIREMENT_TITLES: Mapping[Requirement, str] = {
    "retraining": "Retraining",
    "extra_network": "Extra network",
    "ood_data": "OoD data",
}
"""The columns that say what a method has had, and their heads."""


class Requirements(BaseModel):
    """What a method has had. None: nobody says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retraining: bool | None = Field(None, description="the network has to be trained anew for it")
    extra_network: bool | None = Field(None, description="it needs a second network")
    ood_data: bool | None = Field(None, description="it has seen out-of-distribution data")

    def texts(self) -> list[str]:
        """One for each column: yes, - for no, ? where nobody says."""
        return [{True: "yes", False: "-", None: "?"}[getattr(self, flag)] for flag in REQUIREMENT_TITLES]


class PublishedResult(BaseModel):
    """What one source says of one method on one benchmark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field(description="as the source calls it")
    network: str = Field(description="on which; empty where the source doesn't say")
    benchmark: str = Field(description="public name of the benchmark; of a hidden test set, its name here")
    metrics: dict[str, float] = Field(description="as fractions, by the names of the metric registry")
    source: str = Field(description="the source in a few words, for a table")
    reference: str = Field(description="the source as a reader finds it")
    confirmed: bool = Field(description="read in the source; False: recalled, and not found in it yet")
    protocol: str = Field(description="name of the protocol by which it was measured; empty where that is not known")
    requirements: Requirements = Field(description="what the method has had")
