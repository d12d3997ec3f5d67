"""Test frames of SegmentMeIfYouCan: by day, by night, in snow, and per scene.

Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 Datasets and Benchmarks. The
labels are not public. Circulating files with the names of labels are placeholders and are never read.
"""

from __future__ import annotations

import re
from pathlib import Path

from typing_extensions import override

from oodbench.benchmarks.segment_me_if_you_can import LEFT_OUT, make_track_card
from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import Layout, file_frame, find_files, index_images, open_layouts
from oodbench.data.tracks import DAY, NIGHT, SNOW, THINGS, compile_scene_pattern
from oodbench.types import Frame, FrameSet

PLUGINS = {
    "benchmarks": {
        "road-anomaly-21-test": ("AnomalyTest", "RoadAnomaly21, 100 test frames with hidden labels"),
        "road-anomaly-21-all": ("AnomalyAll", "RoadAnomaly21, all 110 frames without labels, for a submission"),
        "road-obstacle-21-test": ("ObstacleTest", "RoadObstacle21, 327 test frames by day with hidden labels"),
        "road-obstacle-21-night": ("ObstacleNight", "RoadObstacle21, 30 test frames by night with hidden labels"),
        "road-obstacle-21-snow": ("ObstacleSnow", "RoadObstacle21, 55 test frames in a snowstorm with hidden labels"),
        "road-obstacle-21-all": ("ObstacleAll", "RoadObstacle21, all 442 frames without labels, for a submission"),
        "road-obstacle-21-curvy-street": ("CurvyStreet", "RoadObstacle21, one scene of the test frames"),
        "road-obstacle-21-darkasphalt": ("DarkAsphalt", "RoadObstacle21, one scene of the test frames"),
        "road-obstacle-21-darkasphalt2": ("DarkAsphalt2", "RoadObstacle21, one scene of the test frames, with a dog"),
        "road-obstacle-21-gravel": ("Gravel", "RoadObstacle21, one scene of the test frames"),
        "road-obstacle-21-greyasphalt": ("GreyAsphalt", "RoadObstacle21, one scene of the test frames"),
        "road-obstacle-21-motorway": ("Motorway", "RoadObstacle21, one scene of the test frames"),
        "road-obstacle-21-one-way-street": (
            "OneWayStreet",
            "RoadObstacle21, one scene of the test frames, wet, against the sun",
        ),
        "road-obstacle-21-paving": ("Paving", "RoadObstacle21, one scene of the test frames"),
    }
}


class _Hidden(Benchmark):
    """Frames with hidden labels, which are scored and can be submitted, but are not evaluated."""

    frame_name: re.Pattern[str]

    @override
    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(self.card, roots, {"official": Layout(self._holds, self._frames)})

    def _holds(self, folder: Path, named: bool) -> bool:
        return any(self.frame_name.match(path.stem) for path in find_files(folder, "images/*"))

    def _frames(self, folder: Path) -> tuple[Frame, ...]:
        images = index_images(folder / "images")
        return tuple(
            file_frame(name, match["scene"], path)
            for name, path in images.items()
            if (match := self.frame_name.match(name)) and not LEFT_OUT.match(name)
        )


def _make_anomaly_card(part: str, frames: int, layout: str, title: str = "") -> BenchmarkCard:
    return make_track_card("road-anomaly-21", part, frames, {}, {"official": layout}, title)


def _make_obstacle_card(part: str, frames: int, scenes: str) -> BenchmarkCard:
    layout = {"official": f"images/<scene>_<object>_<n>.webp, the scene {scenes.replace('|', ', ')}"}
    return make_track_card("road-obstacle-21", part, frames, {}, layout)


class AnomalyTest(_Hidden):
    """AnomalyTrack-test of the toolkit."""

    card = _make_anomaly_card("test", 100, "images/<thing><nnnn>.jpg, such as cow0003.jpg")
    frame_name = re.compile(rf"(?P<scene>{THINGS})\d{{4}}$")


class AnomalyAll(_Hidden):
    """AnomalyTrack-all of the toolkit."""

    card = _make_anomaly_card("all", 110, "images/<thing><nnnn>.jpg and images/validation<nnnn>.jpg", "all frames")
    frame_name = re.compile(rf"(?P<scene>{THINGS}|validation)\d{{4}}$")


class ObstacleTest(_Hidden):
    """ObstacleTrack-test of the toolkit."""

    card = _make_obstacle_card("test", 327, DAY)
    frame_name = compile_scene_pattern(DAY)


class ObstacleNight(_Hidden):
    """ObstacleTrack-night of the toolkit."""

    card = _make_obstacle_card("night", 30, NIGHT)
    frame_name = compile_scene_pattern(NIGHT)


class ObstacleSnow(_Hidden):
    """ObstacleTrack-snowstorm of the toolkit."""

    card = _make_obstacle_card("snow", 55, SNOW)
    frame_name = compile_scene_pattern(SNOW)


class ObstacleAll(_Hidden):
    """ObstacleTrack-all of the toolkit: 412 test frames and the 30 validation frames that the archive contains."""

    card = _make_obstacle_card("all", 442, f"{DAY}|{NIGHT}|{SNOW}|validation")
    frame_name = compile_scene_pattern(f"{DAY}|{NIGHT}|{SNOW}|validation")


def _make_scene_benchmark(scene: str) -> type[_Hidden]:
    """Create the benchmark of one scene. Its number of frames is not published, so completeness is not checked."""

    class Scene(_Hidden):
        card = _make_obstacle_card(scene, 0, scene)
        frame_name = compile_scene_pattern(scene)

    return Scene


CurvyStreet = _make_scene_benchmark("curvy-street")
DarkAsphalt = _make_scene_benchmark("darkasphalt")
DarkAsphalt2 = _make_scene_benchmark("darkasphalt2")
Gravel = _make_scene_benchmark("gravel")
GreyAsphalt = _make_scene_benchmark("greyasphalt")
Motorway = _make_scene_benchmark("motorway")
OneWayStreet = _make_scene_benchmark("one-way-street")
Paving = _make_scene_benchmark("paving")
