"""Opening of benchmarks in tests, and the meaning of each value in a label file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from oodbench.contracts import Roots
from oodbench.registry import Registry
from oodbench.types import Frame, FrameSet

REGISTRY = Registry()


def open_benchmark(name: str, *roots: Path, named: bool = False) -> FrameSet:
    return REGISTRY.benchmark(name).open(Roots((), {name: roots}) if named else Roots(roots))


def labels(frame: Frame) -> np.ndarray:
    assert frame.read_anomaly_labels is not None
    return frame.read_anomaly_labels().values


def map_values(frame: Frame) -> dict[int, set[int]]:
    """Map each value in the label file to the labels that it becomes."""
    assert frame.label_file is not None
    raw = np.asarray(Image.open(frame.label_file))
    return {int(value): set(labels(frame)[raw == value].tolist()) for value in np.unique(raw)}
