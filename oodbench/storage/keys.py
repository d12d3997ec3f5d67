"""Keys of all artifacts of a run. No other module builds keys.

A key consists of digests and names from the registry, never of text from the user. The images of `oodbench predict` are
the exception: their maps and heatmaps are named after the image files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from oodbench.contracts import Protocol, Scoring
from oodbench.errors import RunFolderError
from oodbench.files import digest_bytes
from oodbench.planning.frame_record import FrameRecord
from oodbench.planning.records import FrameSetRecord, PlanRecord, ScorerRecord

# A name with one of these could lead out of its folder, or out of its line.
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f]")
_FORBIDDEN_IN_IMAGES = re.compile(r"[/\x00]")

# Number of digits of a frame's digest in the key of its measurement.
_MEASURED = 20


class Kind(StrEnum):
    """Kind of an artifact."""

    PLAN = "plan"
    DIGESTS = "digests"
    RESULTS_FILE = "results-file"
    FIT = "fit"
    CALIBRATION = "calibration"
    QUALITY = "quality"
    ENVIRONMENT = "environment"
    COST = "cost"
    FAILURE = "failure"
    SCORE = "score"
    PREDICTION = "prediction"
    MEASUREMENT = "measurement"
    PICTURE = "picture"
    CHUNK = "chunk"
    BINS = "bins"
    RESULT = "result"
    SKETCH = "sketch"
    BREAKDOWN = "breakdown"
    IMAGE_SCORE = "image-score"
    IMAGE_HEATMAP = "image-heatmap"
    IMAGE_SHARES = "image-shares"


_NAMED_BY_IMAGES = (Kind.IMAGE_SCORE, Kind.IMAGE_HEATMAP)


@dataclass(frozen=True, order=True)
class Key:
    """Name of one artifact of a run.

    Attributes:
        kind: The kind of the artifact.
        parts: Names that distinguish it from others of its kind; empty if a run has only one.
    """

    kind: Kind
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        forbidden = _FORBIDDEN_IN_IMAGES if self.kind in _NAMED_BY_IMAGES else _FORBIDDEN
        for part in self.parts:
            if part in ("", ".", "..") or forbidden.search(part):
                raise RunFolderError(
                    f"{self.kind} {part!r}: expected a name without slashes, backslashes and control characters",
                    "Rename the file. If oodbench wrote this run, it was edited: start from scratch with --overwrite.",
                )


PLAN = Key(Kind.PLAN)
DIGESTS = Key(Kind.DIGESTS)
RESULTS_FILE = Key(Kind.RESULTS_FILE)
IMAGE_SHARES = Key(Kind.IMAGE_SHARES)


def fit_key(scorer: str) -> Key:
    """Return the key of a scorer's fit."""
    return Key(Kind.FIT, (scorer,))


def calibration_key(scorer: str, frames: FrameSetRecord) -> Key:
    """Return the key of a scorer's calibration on these frames."""
    return Key(Kind.CALIBRATION, (f"{scorer}-{frames.digest[:8]}",))


def quality_key(network: str, frames: FrameSetRecord) -> Key:
    """Return the key of a network's closed-set quality on these frames; `network` is its digest."""
    return Key(Kind.QUALITY, (f"{network[:12]}-{frames.digest[:12]}",))


def environment_key(network: str) -> Key:
    """Return the key of the environment in which a network scored; `network` is its digest."""
    return Key(Kind.ENVIRONMENT, (network[:12],))


def cost_key(network: str) -> Key:
    """Return the key of a network's costs, one line per batch; `network` is its digest."""
    return Key(Kind.COST, (network[:12],))


def failure_key(network: str, benchmark: FrameSetRecord) -> Key:
    """Return the key of the list of frames of a benchmark that a network failed to score; `network` is its digest."""
    return Key(Kind.FAILURE, (f"{network[:12]}-{benchmark.digest[:12]}",))


def score_key(scorer: str, frame: str) -> Key:
    """Return the key of a score map; `frame` is the key of the frame's record."""
    return Key(Kind.SCORE, (scorer, frame))


def prediction_key(network: str, scoring: Scoring, frame: str) -> Key:
    """Return the key of a network's predicted classes in one frame; `network` is its digest.

    Options at their defaults are not part of the key, so that predictions stored before an option existed are found.
    """
    folder = "-".join([network[:12], *({"upsample": scoring.upsample} | scoring.identity()).values()])
    return Key(Kind.PREDICTION, (folder, frame))


def measurement_key(scorer: str, frame: FrameRecord, rules: Sequence[str] = ()) -> Key:
    """Return the key of the measurement of a score map, with the components of the rules of these names."""
    return Key(Kind.MEASUREMENT, (scorer, "-".join([frame.digest[:_MEASURED], *rules])))


def picture_key(scorer: str, frame: FrameRecord) -> Key:
    """Return the key of the small picture of a score map."""
    return Key(Kind.PICTURE, (scorer, frame.key))


def bins_key(scorer: str, benchmark: FrameSetRecord) -> Key:
    """Return the key of the quantiles by which the bins of a scorer's scores are placed on a benchmark."""
    return Key(Kind.BINS, (f"{scorer}-{benchmark.digest[:12]}",))


def chunk_key(scorer: str, frames: Sequence[FrameRecord], bins: str) -> Key:
    """Return the key of the measurement of a chunk of frames in bins of this name."""
    content = digest_bytes(json.dumps([frame.place for frame in frames]).encode())
    return Key(Kind.CHUNK, (scorer, f"{content[:20]}-{bins}"))


def without_rules(measurement: Key) -> Key:
    """Return the key of the measurement of the same score map without components."""
    scorer, frame = measurement.parts
    return Key(Kind.MEASUREMENT, (scorer, frame[:_MEASURED]))


def result_key(plan: PlanRecord, scorer: ScorerRecord, benchmark: FrameSetRecord, protocol: Protocol) -> Key:
    """Return the key of a result: a digest of everything on which the result depends."""
    network = plan.network(scorer.network)
    depends_on = {
        "scorer": [scorer.key, scorer.label],
        "network": [network.name, network.expected_miou, network.expected_mean_confidence],
        "benchmark": [benchmark.name, benchmark.layout, benchmark.digest, benchmark.expected, benchmark.warnings],
        "calibrate": plan.calibrate.digest if plan.calibrate else None,
        "protocol": protocol.identity(),
        "scoring": plan.scoring.identity(),
        "seed": plan.seed,
    }
    if plan.is_bucketed(benchmark):
        depends_on["buckets"] = True
    if protocol.components and benchmark.components:
        depends_on["components"] = [benchmark.components.prediction, benchmark.components.object]
    return Key(Kind.RESULT, (digest_bytes(json.dumps(depends_on, sort_keys=True).encode())[:20],))


def sketch_key(result: Key) -> Key:
    """Return the key of the sketch of a result."""
    return Key(Kind.SKETCH, result.parts)


def breakdown_key(result: Key) -> Key:
    """Return the key of the breakdown of a result."""
    return Key(Kind.BREAKDOWN, result.parts)


def image_score_key(image: str) -> Key:
    """Return the key of an image's score map; `image` is its id."""
    return Key(Kind.IMAGE_SCORE, (image,))


def image_heatmap_key(image: str) -> Key:
    """Return the key of an image's heatmap; `image` is its id."""
    return Key(Kind.IMAGE_HEATMAP, (image,))


SHARD_KINDS: Sequence[Kind] = (Kind.FIT, Kind.CALIBRATION, Kind.QUALITY)
"""Kinds of artifacts that are the same in all shards."""

FRAME_KINDS: Sequence[Kind] = (
    Kind.SCORE,
    Kind.PREDICTION,
    Kind.MEASUREMENT,
    Kind.BINS,
    Kind.CHUNK,
    Kind.PICTURE,
)
"""Kinds of artifacts of frames: maps, small pictures, and measurements of one frame or of a chunk of frames."""
