"""The frames of SegmentMeIfYouCan's two tracks: their names, numbers and sizes.

From road-anomaly-benchmark (2023-08), datasets/tracks.py and tracks_extra.py. The ids of the test frames are not
listed; a track is recognised by the form and number of its ids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from oodbench.types import Size


@dataclass(frozen=True)
class TrackPart:
    """A subset of the frames of a track.

    Attributes:
        name: Name of the part, which the benchmark's name contains.
        counts: Numbers of frames that a submission may contain.
        names: Pattern of frame names; its group `scene` is the scene.
    """

    name: str
    counts: tuple[int, ...]
    names: re.Pattern[str]


@dataclass(frozen=True)
class Track:
    """One track.

    Attributes:
        name: Name as in the metrics of the toolkit.
        folder: Folder in which the toolkit keeps the scores of all frames.
        benchmark: Prefix of our benchmarks of this track.
        sizes: Image sizes.
        parts: Parts of the track.
    """

    name: str
    folder: str
    benchmark: str
    sizes: tuple[Size, ...]
    parts: tuple[TrackPart, ...]

    def part(self, name: str) -> TrackPart:
        """Return the part with a given name."""
        return next(part for part in self.parts if part.name == name)

    def part_of(self, frame: str) -> TrackPart | None:
        """Return the part that contains a frame; None if no part does."""
        return next((part for part in self.parts if part.names.match(frame)), None)


def compile_scene_pattern(scenes: str) -> re.Pattern[str]:
    """Compile the pattern of frame names of the obstacle track.

    Args:
        scenes: Scenes as alternatives of a regular expression.
    """
    return re.compile(rf"(?P<scene>{scenes})_.+$")


THINGS = (
    "airplane|bear|boat_trailer|camel|caravan|carriage|cock|coffin|cones|cow|deer|donkey|elephant|goose|hay|horse|"
    "leopard|lion|piano|pig|rhino|scooter|sheep|tent|tractor|zebra"
)
"""Prefixes of the names of test frames of the anomaly track."""

DAY = "curvy-street|darkasphalt|darkasphalt2|gravel|greyasphalt|motorway|one-way-street|paving"
NIGHT, SNOW = "driveway", "snowstorm1|snowstorm2"
"""Scenes of the obstacle track."""

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
        TrackPart("test", (327,), compile_scene_pattern(DAY)),
        TrackPart("night", (30,), compile_scene_pattern(NIGHT)),
        TrackPart("snow", (55,), compile_scene_pattern(SNOW)),
        # The toolkit knows 40. Its validation split excludes ten of them, which the published archive lacks.
        TrackPart("validation", (0, 30, 40), re.compile(r"(?P<scene>validation)_\d+$")),
    ),
)

TRACKS = (ANOMALY_TRACK, OBSTACLE_TRACK)
