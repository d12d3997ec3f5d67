"""The layouts of each benchmark as literal trees, small, as their authors publish them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import anomaly_label, photograph, save
from PIL import Image


def _track(root: Path, names: list[str], ending: str) -> None:
    for seed, name in enumerate(names):
        save(root / "images" / f"{name}{ending}", photograph(seed))
        label = anomaly_label(seed)
        save(root / "labels_masks" / f"{name}_labels_semantic.png", label)
        save(root / "labels_masks" / f"{name}_labels_semantic_color.png", np.stack([label] * 3, axis=2))


def write_anomaly_track(root: Path) -> None:
    _track(root, [f"validation{index:04d}" for index in range(10)], ".jpg")
    save(root / "images" / "cow0003.jpg", photograph(50))
    save(root / "images" / "boat_trailer0001.jpg", photograph(51))


def write_obstacle_track(root: Path) -> None:
    _track(root, [f"validation_{index}" for index in (0, 2, 10, 19, 21, 29)], ".webp")
    save(root / "images" / "gravel_mini_1.webp", photograph(50))


def write_course_pack(root: Path) -> None:
    """The pack of a university course: JPEG data in files named .png, a misspelt folder."""
    sets = {"RoadAnomaly21": ("png", 1), "RoadObsticle21": ("webp", 1), "FS_LostFound_full": ("png", 1)}
    for name, (ending, anomaly) in {**sets, "fs_static": ("jpg", 1), "RoadAnomaly": ("jpg", 2)}.items():
        for index in (0, 2, 10):
            path = root / name / "images" / f"{index}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(index)).save(path, format="WEBP" if ending == "webp" else "JPEG")
            label = anomaly_label(index, anomaly=anomaly, void=None if anomaly == 2 else 255)
            save(root / name / "labels_masks" / f"{index}.png", label)


def write_fishyscapes(labels: Path, frames: Path) -> None:
    ids = {"01_Hanns_Klemm_Str_45_000000_000200": "train", "04_Maurener_Weg_8_000000_000030": "test"}
    for index, (name, split) in enumerate(ids.items()):
        save(labels / f"{index:04d}_{name}_labels.png", anomaly_label(index))
        scene = name[:-14]
        save(frames / "leftImg8bit" / split / scene / f"{name}_leftImg8bit.png", photograph(index))
