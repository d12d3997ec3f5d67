"""SegmentMeIfYouCan's test frames, by day, by night, in snow, and scene by scene.

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 Datasets and Benchmarks. Their
labels are secret: files with the names of labels which circulate are placeholders, and are never read.
"""

from __future__ import annotations

import re
from pathlib import Path

from oodbench.benchmarks.segment_me_if_you_can import track_card
from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import Layout, file_frame, images_by_stem, open_layouts
from oodbench.data.tracks import DAY, NIGHT, SNOW, THINGS, scene_frames
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "road-anomaly-21-test": ("AnomalyTest", "its 100 test frames, whose labels are secret"),
        "road-anomaly-21-all": ("AnomalyAll", "all 110 frames without labels, for a submission"),
        "road-obstacle-21-test": ("ObstacleTest", "its 327 test frames by day, whose labels are secret"),
        "road-obstacle-21-night": ("ObstacleNight", "30 more by night"),
        "road-obstacle-21-snow": ("ObstacleSnow", "55 more in a snowstorm"),
        "road-obstacle-21-all": ("ObstacleAll", "all 452 frames without labels, for a submission"),
        "road-obstacle-21-curvy-street": ("CurvyStreet", "one scene of the test frames"),
        "road-obstacle-21-darkasphalt": ("DarkAsphalt", "one scene of the test frames"),
        "road-obstacle-21-darkasphalt2": ("DarkAsphalt2", "one scene of the test frames, with a dog"),
        "road-obstacle-21-gravel": ("Gravel", "one scene of the test frames"),
        "road-obstacle-21-greyasphalt": ("GreyAsphalt", "one scene of the test frames"),
        "road-obstacle-21-motorway": ("Motorway", "one scene of the test frames"),
        "road-obstacle-21-one-way-street": ("OneWayStreet", "one scene of the test frames, wet and against the sun"),
        "road-obstacle-21-paving": ("Paving", "one scene of the test frames"),
    }
}


class _Hidden(Benchmark):
    """Frames without labels: they are scored and can be submitted, and are never evaluated here."""

    frame_name: re.Pattern[str]

    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(self.card, roots, {"official": Layout(self._holds, self._frames)})

    def _holds(self, folder: Path, named: bool) -> bool:
        return any(self.frame_name.match(path.stem) for path in (folder / "images").glob("[!.]*"))

    def _frames(self, folder: Path) -> tuple[Frame, ...]:
        images = images_by_stem(folder / "images")
        return tuple(
            file_frame(name, match["scene"], path)
            for name, path in images.items()
            if (match := self.frame_name.match(name))
        )


def _anomaly(part: str, frames: int, layout: str, title: str = "") -> BenchmarkCard:
    return track_card("road-anomaly-21", part, frames, {}, {"official": layout}, title)


def _obstacle(part: str, frames: int, scenes: str) -> BenchmarkCard:
    layout = {"official": f"images/<scene>_<object>_<n>.webp, the scene {scenes.replace('|', ', ')}"}
    return track_card("road-obstacle-21", part, frames, {}, layout)


class AnomalyTest(_Hidden):
    """The toolkit's AnomalyTrack-test."""

    card = _anomaly("test", 100, "images/<thing><nnnn>.jpg, as cow0003.jpg")
    frame_name = re.compile(rf"(?P<scene>{THINGS})\d{{4}}$")


class AnomalyAll(_Hidden):
    """The toolkit's AnomalyTrack-all."""

    card = _anomaly("all", 110, "images/<thing><nnnn>.jpg and images/validation<nnnn>.jpg", "all frames")
    frame_name = re.compile(rf"(?P<scene>{THINGS}|validation)\d{{4}}$")


class ObstacleTest(_Hidden):
    """The toolkit's ObstacleTrack-test."""

    card = _obstacle("test", 327, DAY)
    frame_name = scene_frames(DAY)


class ObstacleNight(_Hidden):
    """The toolkit's ObstacleTrack-night."""

    card = _obstacle("night", 30, NIGHT)
    frame_name = scene_frames(NIGHT)


class ObstacleSnow(_Hidden):
    """The toolkit's ObstacleTrack-snowstorm."""

    card = _obstacle("snow", 55, SNOW)
    frame_name = scene_frames(SNOW)


class ObstacleAll(_Hidden):
    """The toolkit's ObstacleTrack-all: 412 test frames and the 40 of validation, which a submission may leave out."""

    card = _obstacle("all", 452, f"{DAY}|{NIGHT}|{SNOW}|validation")
    frame_name = scene_frames(f"{DAY}|{NIGHT}|{SNOW}|validation")


def _scene(scene: str) -> type[_Hidden]:
    """One scene. How many frames it has is not published, so a part of one can't be told from the whole."""

    class Scene(_Hidden):
        card = _obstacle(scene, 0, scene)
        frame_name = scene_frames(scene)

    return Scene


CurvyStreet = _scene("curvy-street")
DarkAsphalt = _scene("darkasphalt")
DarkAsphalt2 = _scene("darkasphalt2")
Gravel = _scene("gravel")
GreyAsphalt = _scene("greyasphalt")
Motorway = _scene("motorway")
OneWayStreet = _scene("one-way-street")
Paving = _scene("paving")
