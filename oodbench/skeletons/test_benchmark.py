"""The contract test of the benchmark, on a small copy of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from typing_extensions import override

from oodbench.testing import BenchmarkContract


class TestMyBenchmark(BenchmarkContract):
    """The contract on two small frames."""

    plugin = Path(__file__).with_name("my_benchmark.py")
    name = "my-benchmark"

    @override
    def make(self, folder: Path) -> None:
        """Write two frames with the names and the layout that the authors publish. Change this."""
        rng = np.random.default_rng(0)
        for part in ("images", "anomaly_labels"):
            (folder / part).mkdir()
        for name in ("first", "second"):
            picture = rng.integers(0, 256, (48, 96, 3)).astype(np.uint8)
            Image.fromarray(picture).save(folder / "images" / f"{name}.jpg")
            label = np.zeros((48, 96), np.uint8)
            label[10:20, 30:50] = 1
            label[-4:] = 255
            Image.fromarray(label).save(folder / "anomaly_labels" / f"{name}.png")
