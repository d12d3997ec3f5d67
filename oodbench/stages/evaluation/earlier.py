"""The results in result.json that a new evaluation replaces, as the source of facts whose files are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oodbench.contracts import Result
from oodbench.planning.records import PlanRecord
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import RESULTS_FILE

Place = tuple[str, str, str]
"""Label, network and benchmark of a result. Results under several protocols have the same scores and the same fit."""


@dataclass(frozen=True)
class EarlierResults:
    """Results of the same plan.

    Attributes:
        by_place: One result per place.
        by_protocol: All results by name of protocol.
        quality: Maps the name of each network to its closed-set quality, with the dataset and the split.
    """

    by_place: Mapping[Place, Result] = field(default_factory=dict)
    by_protocol: Mapping[str, list[Result]] = field(default_factory=dict)
    quality: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, plan: PlanRecord, artifacts: RunArtifacts) -> EarlierResults:
        """Read result.json; there are no earlier results if it is missing or belongs to another plan."""
        file = artifacts.results_file() if artifacts.store.has(RESULTS_FILE) else None
        if file is None or file.plan != plan.digest:
            return cls()
        by_place = {
            (result.label, result.network, result.benchmark): result
            for results in file.results.values()
            for result in results
        }
        return cls(by_place, file.results, file.quality)
