"""The two tracks of SegmentMeIfYouCan with their real numbers of frames, each a few pixels large."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.files import anomaly_label, photograph, save

SIZE = (16, 32)

THINGS = ["cow", "boat_trailer", "zebra", "cones", "airplane"]
DAY = ["curvy-street", "darkasphalt", "darkasphalt2", "gravel", "greyasphalt", "motorway", "one-way-street", "paving"]


def anomaly_ids() -> list[str]:
    """Return 100 test ids and 10 validation ids."""
    return [f"{THINGS[n % 5]}{n // 5:04d}" for n in range(100)] + [f"validation{n:04d}" for n in range(10)]


def obstacle_ids() -> list[str]:
    """Return ids: 327 day, 30 night, 55 snow, 40 validation, of which the toolkit excludes ten."""
    day = [f"{DAY[n % 8]}_box_{n // 8}" for n in range(327)]
    night = [f"driveway_bag_{n}" for n in range(30)]
    snow = [f"snowstorm{1 + n % 2}_00_16_{n:02d}.578" for n in range(55)]
    return day + night + snow + [f"validation_{n}" for n in range(40)]


def write_tracks(root: Path) -> None:
    """Write both tracks in their unpacked layout."""
    for folder, ids, ending in (
        ("dataset_AnomalyTrack", anomaly_ids(), ".jpg"),
        ("dataset_ObstacleTrack", obstacle_ids(), ".webp"),
    ):
        for seed, name in enumerate(ids):
            save(root / folder / "images" / f"{name}{ending}", photograph(seed, SIZE))
            if name.startswith("validation"):
                label = np.kron(anomaly_label(seed)[::6, ::6], np.ones((2, 2), np.uint8))
                save(root / folder / "labels_masks" / f"{name}_labels_semantic.png", label)
