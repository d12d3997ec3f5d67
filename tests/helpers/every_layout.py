"""A function for each benchmark and dataset, in each of its layouts, that writes a small copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oodbench.blending import write_blends
from oodbench.data import open_photographs
from oodbench.data.overlays import read_overlays, write_frames
from tests.helpers import layouts
from tests.helpers.files import photograph, save, write_cityscapes, write_road_anomaly

Make = Callable[[Path], None]


def build_static(version: str) -> Make:
    """Build the benchmark like the command does. Another test checks the pixels."""

    def make(folder: Path) -> None:
        layouts.write_static_overlays(folder / "overlays")
        write_cityscapes(folder / "cityscapes")
        write_frames(read_overlays(folder / "overlays", version), folder / "cityscapes", folder / "built")

    return make


def _write_blend(folder: Path) -> None:
    """Blend anomalies into plain frames like the command does."""
    for index in range(2):
        save(folder / "frames" / f"{index}.png", photograph(index, (64, 128)))
    write_blends(open_photographs(folder / "frames").frames, folder / "blended", 2, 0)


def write_below(name: str, write: Make) -> Make:
    return lambda folder: write(folder / name)


# Benchmark and layout: one member represents all of its family that differ only in a rule or a pattern.
BENCHMARKS: dict[tuple[str, str], Make] = {
    ("road-anomaly", "official"): write_road_anomaly,
    ("road-anomaly", "course-material"): layouts.write_course_pack,
    ("road-anomaly", "synboost"): layouts.write_synboost,
    ("road-anomaly-21", "official"): layouts.write_anomaly_track,
    ("road-anomaly-21", "course-material"): layouts.write_course_pack,
    ("road-obstacle-21", "official"): layouts.write_obstacle_track,
    ("road-obstacle-21", "course-material"): layouts.write_course_pack,
    ("road-anomaly-21-test", "official"): layouts.write_anomaly_track,
    ("road-obstacle-21-test", "official"): layouts.write_obstacle_track,
    ("fishyscapes-lost-and-found", "official"): lambda folder: layouts.write_fishyscapes(
        folder / "labels", folder / "frames"
    ),
    ("fishyscapes-lost-and-found", "rba"): layouts.write_fishyscapes_rba,
    ("fishyscapes-lost-and-found", "smiyc"): layouts.write_fishyscapes_toolkit,
    ("fishyscapes-lost-and-found", "synboost"): lambda folder: layouts.write_synboost(folder),
    ("fishyscapes-lost-and-found", "course-material"): layouts.write_course_pack,
    ("fishyscapes-lost-and-found", "densehybrid"): layouts.write_fishyscapes_densehybrid,
    ("fishyscapes-lost-and-found@obstacles", "official"): layouts.write_fishyscapes_obstacles,
    ("fishyscapes-static-v3", "built"): build_static("v3"),
    ("fishyscapes-static-v2", "flat"): write_below("fs_val_v2", layouts.write_static_flat),
    ("fishyscapes-static-unversioned", "synboost"): layouts.write_synboost,
    ("fishyscapes-static-unversioned", "course-material"): layouts.write_course_pack,
    ("fishyscapes-static-unversioned", "densehybrid"): lambda folder: layouts.write_static_flat(folder, "jpg"),
    ("fishyscapes-static-unversioned", "flat"): layouts.write_static_flat,
    ("lost-and-found@smiyc", "official"): layouts.write_lost_and_found,
    ("street-hazards@mask2anomaly", "official"): layouts.write_street_hazards_test,
    ("synthetic-blend", "blended"): _write_blend,
}
DATASETS: dict[tuple[str, str], Make] = {
    ("cityscapes", "official"): write_cityscapes,
    ("street-hazards", "official"): write_below("train", layouts.write_street_hazards_train),
    ("ade20k", "official"): layouts.write_ade20k,
    ("coco-stuff", "official"): layouts.write_coco_stuff,
    ("coco-stuff", "mmsegmentation"): lambda folder: layouts.write_coco_stuff(folder, "annotations", "_labelTrainIds"),
    ("labelled-folder", "splits"): layouts.write_labelled_folder,
    ("labelled-folder", "flat"): lambda folder: layouts.write_labelled_folder(folder, (".",)),
}
