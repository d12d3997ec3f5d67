"""Small copies of the layouts of each benchmark, as published by the authors and as found in repackaged copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.helpers.files import anomaly_label, photograph, save

Write = Callable[[Path], None]

SMALL = (16, 32)


def _track(root: Path, names: list[str], ending: str) -> None:
    for seed, name in enumerate(names):
        save(root / "images" / f"{name}{ending}", photograph(seed))
        label = anomaly_label(seed)
        save(root / "labels_masks" / f"{name}_labels_semantic.png", label)
        save(root / "labels_masks" / f"{name}_labels_semantic_color.png", np.stack([label] * 3, axis=2))


def write_anomaly_track(root: Path) -> None:
    _track(root, [f"validation{index:04d}" for index in range(10)], ".jpg")
    for seed, name in enumerate(["cow0003", "boat_trailer0001"]):
        save(root / "images" / f"{name}.jpg", photograph(50 + seed))


def write_obstacle_track(root: Path) -> None:
    _track(root, [f"validation_{index}" for index in (0, 2, 10, 19, 21, 29)], ".webp")
    hidden = ["curvy-street_axestump_2", "curvy-street_bag_3", "darkasphalt_axestump_2", "darkasphalt_bag_3"]
    hidden += ["darkasphalt2_dog_1", "darkasphalt2_dog_2", "gravel_bag_3", "gravel_boot_1"]
    hidden += ["greyasphalt_bag_3", "greyasphalt_boot_2", "motorway_boot_6_and_bird", "motorway_stone_1"]
    hidden += ["one-way-street_bag_1", "one-way-street_bag_2", "paving_axe_2", "paving_bag_3"]
    hidden += ["driveway_bag_1", "driveway_box_2", "snowstorm1_00_16_02.578", "snowstorm2_00_02_32.753"]
    for seed, name in enumerate(hidden):
        save(root / "images" / f"{name}.webp", photograph(50 + seed, SMALL))


def write_course_pack(root: Path) -> None:
    """Write the copy of a university course: JPEG data in .png files and a misspelt folder."""
    sets = {"RoadAnomaly21": ("png", 1), "RoadObsticle21": ("webp", 1), "FS_LostFound_full": ("png", 1)}
    for name, (ending, anomaly) in {**sets, "fs_static": ("jpg", 1), "RoadAnomaly": ("jpg", 2)}.items():
        for index in (0, 2, 10):
            path = root / name / "images" / f"{index}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(photograph(index)).save(path, format="WEBP" if ending == "webp" else "JPEG")
            label = anomaly_label(index, anomaly=anomaly, void=None if anomaly == 2 else 255)
            save(root / name / "labels_masks" / f"{index}.png", label)


def write_synboost(root: Path) -> None:
    """Write SynBoost's copy: data_processed/ with additional region-of-interest labels."""
    folders = ("fishyscapes/LostAndFound", "fishyscapes/Static", "road_anomaly")
    for folder in folders:
        ours = folder == "road_anomaly"
        for index in (0, 2, 10):
            ending = "jpg" if ours else "png"
            save(root / folder / "original" / f"image_{index}.{ending}", photograph(index))
            label = anomaly_label(index, void=None if ours else 255)
            save(root / folder / "labels" / f"image_{index}.png", label)
            save(root / folder / "labels_with_ROI" / f"image_{index}.png", np.full_like(label, 255))
            save(root / folder / "semantic" / f"image_{index}.png", label)


LAF_IDS = {"01_Hanns_Klemm_Str_45_000000_000200": "train", "04_Maurener_Weg_8_000000_000030": "test"}


def _laf_frames(frames: Path) -> None:
    for index, (name, split) in enumerate(LAF_IDS.items()):
        save(frames / "leftImg8bit" / split / name[:-14] / f"{name}_leftImg8bit.png", photograph(index))


def write_fishyscapes(labels: Path, frames: Path) -> None:
    for index, name in enumerate(LAF_IDS):
        save(labels / f"{index:04d}_{name}_labels.png", anomaly_label(index))
    _laf_frames(frames)


def write_fishyscapes_rba(root: Path) -> None:
    """Write the frames of Lost and Found copied into one folder."""
    for index, name in enumerate(LAF_IDS):
        save(root / "fishyscapes_lostandfound" / f"{index:04d}_{name}_labels.png", anomaly_label(index))
        save(root / "laf_images" / f"{name}_leftImg8bit.png", photograph(index))


def write_fishyscapes_toolkit(root: Path) -> None:
    """Write the layout of SegmentMeIfYouCan's toolkit."""
    for index, name in enumerate(LAF_IDS):
        save(root / "dataset_FishyLAF" / "labels" / "val" / f"{name}_fishy-labels.png", anomaly_label(index))
    _laf_frames(root / "dataset_LostAndFound")


def write_fishyscapes_densehybrid(root: Path) -> None:
    for index, name in enumerate(LAF_IDS):
        label = anomaly_label(index, void=2)
        save(root / "fs_lost_found" / "ood" / f"{name}_ood_segmentation.png", label)
        save(root / "fs_lost_found" / "leftImg8bit" / f"{name}_leftImg8bit.png", photograph(index))


def write_cityscapes_shaped(root: Path, names: dict[str, str]) -> None:
    """Write anomaly labels in files named like Cityscapes' labelIds; `names` maps each id to its city."""
    for index, (name, city) in enumerate(names.items()):
        image = root / "leftImg8bit_trainvaltest" / "leftImg8bit" / "val" / city / f"{name}_leftImg8bit.png"
        label = root / "gtFine_trainvaltest" / "gtFine" / "val" / city / f"{name}_gtFine_labelIds.png"
        save(image, photograph(index))
        save(label, anomaly_label(index))


def write_fishyscapes_obstacles(root: Path) -> None:
    write_fishyscapes(root / "fishyscapes_lostandfound", root / "lostandfound")
    for index, (name, split) in enumerate(LAF_IDS.items()):
        path = root / "lostandfound" / "gtCoarse" / split / name[:-14] / f"{name}_gtCoarse_labelIds.png"
        save(path, laf_labels(index))


def laf_labels(seed: int) -> np.ndarray:
    """Return labelIds: unlabelled above, free road below with a crate (2) and a plank (37, not a hazard)."""
    label = np.zeros((48, 96), np.uint8)
    label[20:] = 1
    label[30:34, 10 + seed : 20 + seed] = 2
    label[40:44, 50:60] = 37
    return label


def laf_train_ids(label_ids: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    table[[1, 2, 37]] = 1, 2, 0
    return table[label_ids]


def write_lost_and_found(root: Path, names: list[str] | None = None, size: int | None = None) -> None:
    """Write the official layout; the test split contains known objects and a child."""
    names = names or [
        "02_Hanns_Klemm_Str_44_000000_000200",
        "04_Maurener_Weg_8_000000_000030",
        "04_Maurener_Weg_8_000000_000090",
        "15_Rechbergstr_Deckenpfronn_000000_000010",
    ]
    for index, name in enumerate(names):
        scene = name[:-14]
        label = laf_labels(index % 8)[:size, :size]
        save(root / "leftImg8bit" / "test" / scene / f"{name}_leftImg8bit.png", photograph(index, label.shape))
        place = root / "gtCoarse" / "test" / scene
        save(place / f"{name}_gtCoarse_labelIds.png", label)
        save(place / f"{name}_gtCoarse_labelTrainIds.png", laf_train_ids(label))
        save(place / f"{name}_gtCoarse_instanceIds.png", np.zeros_like(label))


CITYSCAPES_IDS = ["frankfurt_000000_000576", "lindau_000000_000019"]


def static_overlay(seed: int) -> np.ndarray:
    """Return signed differences, large enough to exceed 0..255 on both sides."""
    overlay = np.zeros((48, 96, 3), np.int16)
    overlay[10:20, 10:20] = np.random.default_rng(seed).integers(-255, 256, (10, 10, 3))
    return overlay


def write_static_overlays(root: Path) -> None:
    """Write the content of the published archives, for the Cityscapes files of conftest."""
    root.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(CITYSCAPES_IDS):
        np.savez_compressed(root / f"{index:04d}_{name}_rgb.npz", rgb=static_overlay(index))
        save(root / f"{index:04d}_{name}_labels.png", anomaly_label(index))


def write_static_flat(root: Path, ending: str = "png") -> None:
    """Write images with labels, as a user builds them from the overlays."""
    for index, name in enumerate(CITYSCAPES_IDS):
        save(root / f"{index:04d}_{name}_rgb.{ending}", photograph(index))
        save(root / f"{index:04d}_{name}_labels.png", anomaly_label(index))


def write_street_hazards_test(root: Path) -> None:
    """Write frames whose names start again in each town, with labels from 1 to 14."""
    rng = np.random.default_rng(0)
    for seed, (town, name) in enumerate([("t5", "100"), ("t5", "101"), ("t6", "100")]):
        label = rng.integers(1, 14, (6, 12)).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        label[4:12, 4:20] = 14
        label[:4, :8], label[-4:, -8:] = 1, 4
        save(root / "images" / "test" / town / f"{name}.png", photograph(seed, label.shape))
        save(root / "annotations" / "test" / town / f"{name}.png", label)
    (root / "test.odgt").write_text('[{"fpath_img": "images/test/t5/100.png"}]')


def write_street_hazards_train(root: Path) -> None:
    rng = np.random.default_rng(1)
    for split, towns in {"training": ["t1-3", "t2"], "validation": ["t4"]}.items():
        for town in towns:
            for name in ("7", "10"):
                label = rng.integers(1, 14, (4, 8)).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
                save(root / "images" / split / town / f"{name}.png", photograph(len(town), label.shape))
                save(root / "annotations" / split / town / f"{name}.png", label)


def write_ade20k(root: Path) -> None:
    rng = np.random.default_rng(2)
    for split, prefix in {"training": "ADE_train_", "validation": "ADE_val_"}.items():
        for index in (1, 2):
            label = rng.integers(0, 151, (16, 32)).astype(np.uint8)
            save(root / "images" / split / f"{prefix}{index:08d}.jpg", photograph(index, SMALL))
            save(root / "annotations" / split / f"{prefix}{index:08d}.png", label)


COCO_NEVER_USED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)


def write_coco_stuff(root: Path, folder: str = "stuffthingmaps_trainval2017", suffix: str = "") -> None:
    """Write labels: raw ones are category ids minus one; with a suffix, as MMSegmentation's converter writes them."""
    ids = [identity for identity in range(1, 183) if identity not in COCO_NEVER_USED]
    raw = np.array([*(identity - 1 for identity in ids), 255], np.uint8)
    converted = np.array([*range(171), 255], np.uint8)
    rng = np.random.default_rng(3)
    for split, names in {"train2017": (9, 25), "val2017": (139, 285)}.items():
        for name in names:
            picked = rng.integers(0, 172, (16, 32))
            save(root / "images" / split / f"{name:012d}.jpg", photograph(name, SMALL))
            label = converted[picked] if suffix else raw[picked]
            save(root / folder / split / f"{name:012d}{suffix}.png", label)


CLASS_FILE = """
classes = "cityscapes-19"
void = [9]

[values]
road = 0
sidewalk = [1, 2]
car = 300
"""


def write_labelled_folder(root: Path, splits: tuple[str, ...] = ("train", "val")) -> None:
    for split in splits:
        for index in (0, 2, 10):
            label = np.zeros(SMALL, np.uint16)
            label[:4], label[4:8], label[8:10], label[10:12] = 1, 2, 9, 300
            save(root / "images" / split / f"{index}.jpg", photograph(index, SMALL))
            save(root / "labels" / split / f"{index}.png", label)
    (root / "classes.toml").write_text(CLASS_FILE)
