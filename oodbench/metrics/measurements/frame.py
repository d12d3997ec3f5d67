"""Measurement of one score map, from which all metrics of a set of frames can be computed without the maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import ComponentSizes
from oodbench.files import fast_digest
from oodbench.metrics.components import FrameComponents, frame_components
from oodbench.metrics.counting.frame_scores import FrameScores, group_scores
from oodbench.metrics.evaluation import apply_protocol
from oodbench.metrics.measurements.region_groups import group_regions
from oodbench.metrics.protocols import PROTOCOLS
from oodbench.regions import Regions, find_objects
from oodbench.types import AnomalyLabels, ClassMap, ScoreMap


@dataclass(frozen=True)
class ComponentRule:
    """A threshold that is known before scoring, at which the components of each frame are measured.

    Attributes:
        protocol: Name of the protocol.
        threshold: Pixels that score higher are predicted.
        sizes: The minimum sizes of components.
    """

    protocol: str
    threshold: float
    sizes: ComponentSizes

    @property
    def name(self) -> str:
        """A name that differs if the rule differs."""
        parts = [self.protocol, self.threshold.hex(), self.sizes.prediction, self.sizes.object]
        return f"{self.protocol}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class LabelledFrame:
    """The labels of a frame with its objects, which all methods share.

    Attributes:
        labels: The labels.
        regions: The objects.
        groups: uint8 [R + 1, 2], the groups of each region by size and by place.
    """

    labels: AnomalyLabels
    regions: Regions
    groups: NDArray[np.uint8]

    @staticmethod
    def of(labels: AnomalyLabels) -> LabelledFrame:
        """Find the objects of a frame."""
        regions = find_objects(labels)
        return LabelledFrame(labels, regions, group_regions(regions))


@dataclass(frozen=True)
class FrameMeasurement:
    """Everything that the metrics need of one score map.

    Attributes:
        digest: The digest of the map's values.
        scores: All scores by label, predicted class and object.
        groups: uint8 [R + 1, 2], the groups of each object by size and by place; row 0 means nothing.
        components: Maps the name of each rule to the components at its threshold.
    """

    digest: str
    scores: FrameScores
    groups: NDArray[np.uint8]
    components: Mapping[str, FrameComponents] = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return the measurement as arrays; `from_arrays` restores it."""
        content: dict[str, NDArray[np.generic]] = {
            "digest": np.frombuffer(self.digest.encode(), np.uint8),
            "groups": self.groups,
        }
        content |= {f"scores.{name}": values for name, values in self.scores.arrays().items()}
        for rule, components in self.components.items():
            content |= {f"components.{rule}.{name}": values for name, values in vars(components).items()}
        return content

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[np.generic]]) -> FrameMeasurement:
        """Restore a measurement from its arrays.

        Raises:
            ValueError: The arrays are not those of a measurement.
            KeyError: An array is missing.
        """
        parts: dict[str, dict[str, NDArray[np.generic]]] = {"scores": {}}
        for name, values in arrays.items():
            folder, _, own = name.rpartition(".")
            parts.setdefault(folder, {})[own] = values
        components = {
            folder.removeprefix("components."): FrameComponents(**values)  # type: ignore[arg-type]
            for folder, values in parts.items()
            if folder.startswith("components.")
        }
        return FrameMeasurement(
            bytes(arrays["digest"]).decode(),
            FrameScores.from_arrays(parts["scores"]),
            np.asarray(arrays["groups"], np.uint8),
            components,
        )


def digest_map(values: ScoreMap) -> str:
    """Return the digest of a map's values, float32 [H, W]. How the map is stored does not matter."""
    return fast_digest(np.ascontiguousarray(values).data.cast("B"))


def measure_frame(
    score: ScoreMap, frame: LabelledFrame, prediction: ClassMap | None, rules: tuple[ComponentRule, ...] = ()
) -> FrameMeasurement:
    """Measure the score map of one frame.

    Args:
        score: float32 [H, W], higher = more anomalous.
        frame: The labels of the frame and its objects.
        prediction: Predicted classes, uint8 [H, W]; None if there are none.
        rules: The thresholds at which the components are measured.

    Raises:
        ScoreError: The shapes or types do not match, or the score of a pixel that is not void is NaN.
    """
    components = {}
    for rule in rules:
        under, labels = apply_protocol(PROTOCOLS[rule.protocol], score, frame.labels)
        components[rule.name] = frame_components(under > np.float64(rule.threshold), labels, rule.sizes)
    return FrameMeasurement(
        digest_map(score),
        group_scores(score, frame.labels, prediction, frame.regions.labels),
        frame.groups,
        components,
    )
