"""The frames of SegmentMeIfYouCan's two tracks: what they are called, how many there are, how large.

From road-anomaly-benchmark (2023-08), datasets/tracks.py and tracks_extra.py. The ids of the test frames are not listed
here one by one: a track is known by their form and their number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oodbench.types import Size


@dataclass(frozen=True)
class TrackPart:
    """Some frames of a track.

    Attributes:
        name: of the part; that of the benchmark is the track's with it.
        counts: how many frames it may have in a submission.
        names: what a frame is called; the group `scene` is its scene.
    """

    name: str
    counts: tuple[int, ...]
    names: re.Pattern[str]


@dataclass(frozen=True)
class Track:
    """One track.

    Attributes:
        name: as in the names of the toolkit's metrics.
        folder: in which the toolkit keeps the scores of all of its frames.
        benchmark: what our benchmarks of it are called, before the part.
        sizes: of its images.
        parts: the frames.
    """

    name: str
    folder: str
    benchmark: str
    sizes: tuple[Size, ...]
    parts: tuple[TrackPart, ...]

    def part(self, name: str) -> TrackPart:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)

    def part_of(self, frame: str) -> TrackPart | None:
        """The part that a frame is in; None where it is of no part of this track."""
        return next((part for part in self.parts if part.names.match(frame)), None)


def scene_frames(scenes: str) -> re.Pattern[str]:
    """What frames of the obstacle track are called; `scenes`: alternatives of a regular expression."""
    return re.compile(rf"(?P<scene>{scenes})_.+$")


THINGS = (
    "airplane|bear|boat_trailer|camel|caravan|carriage|cock|coffin|cones|cow|deer|donkey|elephant|goose|hay|horse|"
    "leopard|lion|piano|pig|rhino|scooter|sheep|tent|tractor|zebra"
)
"""What the test frames of the anomaly track are called after."""

DAY = "curvy-street|darkasphalt|darkasphalt2|gravel|greyasphalt|motorway|one-way-street|paving"
NIGHT, SNOW = "driveway", "snowstorm1|snowstorm2"
"""The scenes of the obstacle track."""

ANOMALY_TRACK = Track(
    "AnomalyTrack",
    "AnomalyTrack-all",
    "road-anomaly-21",
    ((1024, 2048), (720, 1280)),
    (
        TrackPart("test", (100,), re.compile(rf"(?P<scene>{THINGS})\d{{4}}$")),
        TrackPart("validation", (0, 10), re.compile(r"(?P<scene>validation)\d{4}$")),
    ),
)

OBSTACLE_TRACK = Track(
    "ObstacleTrack",
    "ObstacleTrack-all",
    "road-obstacle-21",
    ((1080, 1920),),
    (
        TrackPart("test", (327,), scene_frames(DAY)),
        TrackPart("night", (30,), scene_frames(NIGHT)),
        TrackPart("snow", (55,), scene_frames(SNOW)),
        # 40 lie in the archive; the toolkit's validation split leaves ten of them out.
        TrackPart("validation", (0, 30, 40), re.compile(r"(?P<scene>validation)_\d+$")),
    ),
)

TRACKS = (ANOMALY_TRACK, OBSTACLE_TRACK)
