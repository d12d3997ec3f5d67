"""Published results, which tables show next to measured ones, and the training signals that methods use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import Field

from oodbench.frozen_record import FrozenRecord

Requirement: TypeAlias = Literal["retraining", "extra_network", "ood_data"]

REQUIREMENT_TITLES: Mapping[Requirement, str] = {
    "retraining": "Retraining",
    "extra_network": "Extra network",
    "ood_data": "OoD data",
}
"""The columns that show a method's training signals, with their titles."""


class Requirements(FrozenRecord):
    """The training signals a method uses. None means unknown."""

    retraining: bool | None = Field(None, description="whether the network must be retrained for the method")
    extra_network: bool | None = Field(None, description="whether the method needs a second network")
    ood_data: bool | None = Field(None, description="whether the method was trained with out-of-distribution data")

    def texts(self) -> list[str]:
        """Return the text of each column: "yes", "-" for no, "?" if unknown."""
        return [{True: "yes", False: "-", None: "?"}[getattr(self, flag)] for flag in REQUIREMENT_TITLES]


class PublishedResult(FrozenRecord):
    """The numbers that one source states for one method on one benchmark."""

    method: str = Field(description="name of the method in the source")
    network: str = Field(description="name of the network; empty if the source does not state it")
    benchmark: str = Field(description="public name of the benchmark; for a hidden test set, its name in this package")
    metrics: dict[str, float] = Field(description="fractions, by the names of the metric registry")
    source: str = Field(description="short name of the source, for tables")
    reference: str = Field(description="full reference of the source")
    confirmed: bool = Field(description="whether the numbers were read in the source; False: recalled, not yet found")
    protocol: str = Field(description="name of the protocol of the numbers; empty if it is not known")
    requirements: Requirements = Field(description="training signals of the method")
