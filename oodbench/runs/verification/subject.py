"""The run that is verified, with the objects that earlier checks have opened for later ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from oodbench.contracts import Method, Segmenter
from oodbench.environment import find_version
from oodbench.errors import RunFolderError
from oodbench.planning.records import FrameSetRecord, PlanRecord, ScorerRecord, SegmenterRecord
from oodbench.progress import Progress
from oodbench.runs.run import Run
from oodbench.storage.keys import environment_key
from oodbench.types import Frame


@dataclass(frozen=True)
class Subject:
    """A run that is verified.

    Attributes:
        run: The run, whose store is not changed by writing to it.
        progress: Callback for progress messages.
        frames: Maps the name and the split of each set of unchanged frames to its frames by digest.
        networks: Maps the name of each network that is the recorded one to the network.
        methods: Maps the key of each scorer whose method is the recorded one to the method, which is not fitted.
        tables: Names of the files in report/ that were written again and compared.
    """

    run: Run
    progress: Progress
    frames: dict[tuple[str, str], Mapping[str, Frame]] = field(default_factory=dict)
    networks: dict[str, Segmenter] = field(default_factory=dict)
    methods: dict[str, Method] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)

    @property
    def record(self) -> PlanRecord:
        """The plan of the run."""
        return self.run.record

    @property
    def is_external(self) -> bool:
        """Whether other code wrote the scores, so that there is no network."""
        return any(scorer.given for scorer in self.record.scorers)

    def scorers(self, network: SegmenterRecord) -> list[ScorerRecord]:
        """Return the scorers on a network."""
        return [scorer for scorer in self.record.scorers if scorer.network == network.name]

    def environment(self, network: SegmenterRecord) -> Mapping[str, str]:
        """Return the environment in which a network scored; empty if it is not recorded, or damaged."""
        try:
            recorded = self.run.artifacts.json(environment_key(network.digest))
        except RunFolderError:
            recorded = None
        return {name: str(value) for name, value in recorded.items()} if isinstance(recorded, dict) else {}

    def other_version(self) -> str:
        """Return the version of oodbench that computed the scores if it is not this one; otherwise an empty text."""
        recorded = {self.environment(network).get("oodbench") for network in self.record.networks}
        return ", ".join(sorted(filter(None, recorded - {find_version("oodbench")})))


def has_labels(part: FrameSetRecord) -> bool:
    """Return whether all frames of a benchmark have public labels, so that it has results."""
    return all(any(frame.pixels) for frame in part.frames)
