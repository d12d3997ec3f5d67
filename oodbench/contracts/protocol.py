"""How scores become numbers. Both records are part of the identity of every number that is stored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Scoring:
    """Where scores are computed, and how they come to the label's resolution.

    Attributes:
        upsample: `logits`: class maps are brought to the label's resolution and scored there (what most papers
            evaluate); `score`: they are scored on the network's grid and the score is brought there. Scores on
            features are always computed on the features' grid. The two differ, by up to .27 in MSP.
        resize: the filter that brings either there. Bilinear with half-pixel centres and without antialiasing.
    """

    upsample: Literal["logits", "score"] = "logits"
    resize: Literal["bilinear"] = "bilinear"

    def record(self) -> dict[str, Any]:
        """As it stands in rows and plans."""
        return asdict(self)


@dataclass(frozen=True)
class Protocol:
    """How labelled scores are summed up.

    Attributes:
        name: the public name.
        pooling: `pixels`: all valid pixels of the set in one pool.
        average_precision: `steps`: the sum over distinct thresholds of (recall gained) x precision, as scikit-learn.
        tpr: the true positive rate at which the false positive rate is read.
        fpr: `first`: at the first distinct threshold, coming down, at which the true positive rate is reached.
    """

    name: str
    pooling: Literal["pixels"] = "pixels"
    average_precision: Literal["steps"] = "steps"
    tpr: float = 0.95
    fpr: Literal["first"] = "first"

    def record(self) -> dict[str, Any]:
        """As it stands in rows and plans."""
        return asdict(self)
