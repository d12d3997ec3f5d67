"""SegmentMeIfYouCan's two tracks with their real numbers of frames, each a few pixels large."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.files import anomaly_label, photograph, save

SIZE = (16, 32)

THINGS = ["cow", "boat_trailer", "zebra", "cones", "airplane"]
DAY = ["curvy-street", "darkasphalt", "darkasphalt2", "gravel", "greyasphalt", "motorway", "one-way-street", "paving"]


def anomaly_ids() -> list[str]:
    """100 of test, 10 of validation."""
    return [f"{THINGS[n % 5]}{n // 5:04d}" for n in range(100)] + [f"validation{n:04d}" for n in range(10)]


def obstacle_ids() -> list[str]:
    """327 by day, 30 by night, 55 in snow, 40 of validation, ten of which the toolkit leaves out."""
    day = [f"{DAY[n % 8]}_box_{n // 8}" for n in range(327)]
    night = [f"driveway_bag_{n}" for n in range(30)]
    snow = [f"snowstorm{1 + n % 2}_00_16_{n:02d}.578" for n in range(55)]
    return day + night + snow + [f"validation_{n}" for n in range(40)]


def write_tracks(root: Path) -> None:
    """Both, as they are unpacked."""
    for folder, ids, ending in (
        ("dataset_AnomalyTrack", anomaly_ids(), ".jpg"),
        ("dataset_ObstacleTrack", obstacle_ids(), ".webp"),
    ):
        for seed, name in enumerate(ids):
            save(root / folder / "images" / f"{name}{ending}", photograph(seed, SIZE))
            if name.startswith("validation"):
                label = np.kron(anomaly_label(seed)[::6, ::6], np.ones((2, 2), np.uint8))
                save(root / folder / "labels_masks" / f"{name}_labels_semantic.png", label)
