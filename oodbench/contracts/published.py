"""Published results, which tables show next to measured ones, and the training signals that methods use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from oodbench.frozen_record import FrozenRecord

Requirement: TypeAlias = Literal["retraining", "extra_network", "ood_data"]
"""A training signal beyond the labelled in-distribution frames; `Requirements` describes each."""

REQUIREMENT_TITLES: Mapping[Requirement, str] = {
    "retraining": "Retraining",
    "extra_network": "Extra network",
    "ood_data": "OoD data",
}
"""The columns that show a method's training signals, with their titles."""


class Requirements(FrozenRecord):
    """The training signals a method uses. None means unknown.

    Attributes:
        retraining: Whether the network must be retrained for the method.
        extra_network: Whether the method needs a second network.
        ood_data: Whether the method was trained with out-of-distribution data.

    Examples:
        >>> from oodbench.contracts import Requirements
        >>> Requirements(retraining=True, extra_network=False).texts()
        ['yes', '-', '?']
    """

    retraining: bool | None = None
    extra_network: bool | None = None
    ood_data: bool | None = None

    def texts(self) -> list[str]:
        """Return the text of each column: "yes", "-" for no, "?" if unknown."""
        return [{True: "yes", False: "-", None: "?"}[getattr(self, flag)] for flag in REQUIREMENT_TITLES]


class PublishedResult(FrozenRecord):
    """The numbers that one source states for one method on one benchmark.

    Attributes:
        method: Name of the method in the source.
        network: Name of the network; empty if the source does not state it.
        benchmark: Public name of the benchmark; for a hidden test set, its name in this package.
        metrics: Fractions, by the names of the metric registry.
        source: Short name of the source, for tables.
        reference: Full reference of the source.
        confirmed: Whether the numbers were read in the source; False: recalled, not yet found.
        protocol: Name of the protocol of the numbers; empty if it is not known.
        requirements: Training signals of the method.

    Examples:
        >>> from oodbench.contracts import PublishedResult, Requirements
        >>> published = PublishedResult(
        ...     method="MSP", network="", benchmark="road-anomaly", metrics={"AP": 0.2}, source="paper",
        ...     reference="Authors, title", confirmed=False, protocol="", requirements=Requirements(),
        ... )
        >>> published.metrics
        {'AP': 0.2}
    """

    method: str
    network: str
    benchmark: str
    metrics: dict[str, float]
    source: str
    reference: str
    confirmed: bool
    protocol: str
    requirements: Requirements
