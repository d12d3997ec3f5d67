"""Interface of the measured scores of a scorer on a benchmark, from which its results are computed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oodbench.contracts import Bracket, Breakdown, Protocol
from oodbench.metrics import PixelMetrics, Sketch


@dataclass(frozen=True)
class ScoreEvaluation:
    """What scores give under one protocol.

    Attributes:
        metrics: The metrics.
        sketch: The sketch; None if the protocol has none.
        breakdown: The breakdown; None if the protocol has none.
        brackets: Guaranteed bounds of the metrics if they are not exact; otherwise empty.
        components: The counts behind the component metrics; empty if the protocol has none.
    """

    metrics: PixelMetrics
    sketch: Sketch | None
    breakdown: Breakdown | None
    brackets: Mapping[str, Bracket] = field(default_factory=dict)
    components: Mapping[str, Any] = field(default_factory=dict)


class MeasuredScores(ABC):
    """The measured scores of a scorer on all frames of a benchmark."""

    @property
    @abstractmethod
    def digests(self) -> Sequence[str]:
        """The digest of the score map of each frame, in the benchmark's order."""

    @abstractmethod
    def evaluate(self, protocol: Protocol) -> ScoreEvaluation:
        """Evaluate the scores under a protocol."""
