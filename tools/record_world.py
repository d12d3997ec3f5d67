"""Recorder of the synthetic world in tools/world.json: digests of labels, block means of images, statistics.

    python -m tools.record_world

Run it once per version of the world. The tests compare the world with this file; a difference means that it changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from oodbench.types import ANOMALY, CITYSCAPES_19, VOID
from oodbench.worlds import SEED, SPLITS, VERSION, render_frame

FILE = Path(__file__).parent / "world.json"
FIRST = 6
BLOCK = 64


def digest_labels(split: str, index: int) -> str:
    """Return the digest of both label maps of a frame."""
    drawing = render_frame(split, index)
    return hashlib.sha256(drawing.semantic.tobytes() + drawing.anomaly.tobytes()).hexdigest()[:24]


def compute_block_means(split: str, index: int) -> list[list[float]]:
    """Return the mean grey level of each block of the image; machines agree on it to a fraction of a level."""
    image = render_frame(split, index).image.astype(np.float64).mean(axis=2)
    rows, columns = image.shape
    means = image.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK).mean(axis=(1, 3))
    return [[round(float(value), 2) for value in row] for row in means]


def find_objects(anomalous: np.ndarray) -> list[tuple[float, float]]:
    """Return (size in millionths of the frame, height of the centre) of each component of at least ten pixels."""
    count, _, stats, centres = cv2.connectedComponentsWithStats(anomalous.astype(np.uint8), connectivity=8)
    rows = anomalous.shape[0]
    return [
        (1e6 * int(stats[index, 4]) / anomalous.size, float(centres[index, 1]) / rows)
        for index in range(1, count)
        if stats[index, 4] >= 10
    ]


def measure_statistics(split: str, frames: int) -> dict[str, object]:
    """Return the share of anomalous pixels of a split, and the number, sizes and heights of anomalous objects."""
    shares, counts, measured, valid, anomalous = [], [], [], 0, 0
    for index in range(frames):
        labels = render_frame(split, index).anomaly
        inside, hit = int((labels != VOID).sum()), int((labels == ANOMALY).sum())
        valid, anomalous = valid + inside, anomalous + hit
        shares.append(100 * hit / inside)
        components = find_objects(labels == ANOMALY)
        counts.append(len(components))
        measured += components
    sizes, heights = np.array(measured).T

    def at(values: object, *levels: float) -> list[float]:
        return [float(f"{value:.3g}") for value in np.percentile(np.asarray(values), levels)]

    return {
        "frames": frames,
        "without anomaly": int(sum(share == 0 for share in shares)),
        "share of valid pixels, %": float(f"{100 * anomalous / valid:.3g}"),
        "share per frame, %, 5/50/95": at(shares, 5, 50, 95),
        "objects per frame, 5/50/95": at(counts, 5, 50, 95),
        "size, millionths, 5/25/50/75/95": at(sizes, 5, 25, 50, 75, 95),
        "height, 5/50/95": at(heights, 5, 50, 95),
    }


def measure_class_shares(frames: int) -> dict[str, list[float]]:
    """Return [share of the pixels, share of the frames that show it] per class of the training split, in percent."""
    pixels, shown = np.zeros(256, np.int64), np.zeros(19, np.int64)
    for index in range(frames):
        counts = np.bincount(render_frame("train", index).semantic.ravel(), minlength=256)
        pixels += counts
        shown += counts[:19] > 0
    return {
        name: [round(100 * float(pixels[index]) / float(pixels.sum()), 2), round(100 * float(shown[index]) / frames)]
        for index, name in enumerate(CITYSCAPES_19.names)
    }


def digest_split(split: str) -> str:
    """Return the digest of all labels of the split."""
    digest = hashlib.sha256()
    for index in range(SPLITS[split].frames):
        digest.update(digest_labels(split, index).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    labelled = [split for split in SPLITS if SPLITS[split].statistics]
    record = {
        "version": VERSION,
        "seed": SEED,
        "labels": {split: [digest_labels(split, index) for index in range(FIRST)] for split in SPLITS},
        "images": {split: compute_block_means(split, 1) for split in SPLITS},
        "statistics": {split: measure_statistics(split, SPLITS[split].frames) for split in labelled},
        "classes": measure_class_shares(300),
        "all labels": {split: digest_split(split) for split in SPLITS if split != "train"},
    }
    FILE.write_text(json.dumps(record, indent=1) + "\n")
