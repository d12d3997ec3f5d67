"""Published results, which tables show next to measured ones, and the training signals that methods use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from oodbench.frozen_record import FrozenRecord
from oodbench.text import Label, Name, Note, OptionalLabel

Requirement: TypeAlias = Literal["retraining", "extra_network", "ood_data"]
"""Something that a method needs beyond a trained network and labelled frames; `Requirements` describes each."""

REQUIREMENT_TITLES: Mapping[Requirement, str] = {
    "retraining": "Retraining",
    "extra_network": "Extra network",
    "ood_data": "OoD data",
}
"""Maps each requirement of a method (`Requirements`) to the title of its column in tables."""


class Requirements(FrozenRecord):
    """The requirements of a method beyond a trained network and labelled frames. None means unknown.

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
        """Return the text of each requirement for tables: "yes", "-" for no, or "?" if unknown."""
        return [{True: "yes", False: "-", None: "?"}[getattr(self, flag)] for flag in REQUIREMENT_TITLES]


class PublishedResult(FrozenRecord):
    """The metrics that one source, such as a paper, states for one method on one benchmark.

    Attributes:
        method: Name of the method in the source.
        network: Name of the network; empty if the source does not state it.
        benchmark: Name of the benchmark in this package.
        metrics: Maps the name of each metric to its value as a fraction.
        source: Short name of the source, for tables.
        reference: Full reference of the source.
        confirmed: Whether the numbers were checked against the source. If False, they were not yet found there.
        protocol: Name of the protocol (rules of evaluation) of the numbers; empty if it is not known.
        requirements: Whether the method needs retraining, a second network or out-of-distribution data.

    Examples:
        >>> from oodbench.contracts import PublishedResult, Requirements
        >>> published = PublishedResult(
        ...     method="MSP", network="", benchmark="road-anomaly", metrics={"AP": 0.2}, source="paper",
        ...     reference="Authors, title", confirmed=False, protocol="", requirements=Requirements(),
        ... )
        >>> published.metrics
        {'AP': 0.2}
    """

    method: Label
    network: OptionalLabel
    benchmark: Label
    metrics: dict[Name, float]
    source: Label
    reference: Note
    confirmed: bool
    protocol: OptionalLabel
    requirements: Requirements
