"""Rate at which labelled frames are loaded for the network, compared with OpenCV decoding of the same files.

    python -m tools.speed.loading [--files 40] [--frames 3000] [--pairs 9]

Synthetic street scenes of 1024 x 2048 with sensor noise, and their labels, are written into a temporary folder as PNG
and as JPEG (labels always as PNG). Two loaders are timed alternately, several times:

- oodbench: the input of fit and calibrate, images as uint8 and labels normalised and checked, loaded by the two worker
  threads of `oodbench.stages.batching` for a network that computes nothing;
- OpenCV: cv2.imread of the same images and labels in two threads, with as many frames ahead.

Prints the ratios of frames per second and of CPU time, pair by pair. Other processes disturb CPU time less. Then all
frames are read, with the files linked under as many names. Prints the peak memory after a tenth of them and after all.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from typing_extensions import override

from oodbench.contracts import Capabilities, Expected, Needs, Roots, Segmenter
from oodbench.data import LabelRule, file_frame
from oodbench.registry import Registry
from oodbench.stages import batching
from oodbench.types import CITYSCAPES_19, VOID, Frame, RGBImage, SegmenterOutput

SIZE = (1024, 2048)
RULE = LabelRule({index: index for index in range(19)} | {VOID: VOID}, "")


class Nothing(Segmenter):
    """A network that accepts images unchanged and computes nothing."""

    name, digest, device = "nothing", "", "cpu"
    classes, capabilities, expected = CITYSCAPES_19, Capabilities(None), Expected()

    @override
    def prepare(self, image: RGBImage) -> RGBImage:
        return image

    @override
    def forward(self, batch: Sequence[RGBImage], needs: Needs) -> SegmenterOutput:
        return SegmenterOutput(None, {})

    @override
    def describe(self) -> Mapping[str, Any]:
        return {}


def write_files(folder: Path, files: int) -> dict[str, list[tuple[Path, Path]]]:
    """Write `files` scenes, and return kind (png and jpg) -> pairs of image and label."""
    split = next(iter(Registry().dataset("streets-train").open(Roots()).values()))
    written: dict[str, list[tuple[Path, Path]]] = {"png": [], "jpg": []}
    for index, frame in enumerate(split.frames[:files]):
        assert frame.read_semantic_labels is not None
        noise = np.random.default_rng(index).normal(0, 2, SIZE)[..., None]
        image = cv2.resize(frame.read_image(), SIZE[::-1], interpolation=cv2.INTER_CUBIC) + noise
        label = cv2.resize(frame.read_semantic_labels().values, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
        Image.fromarray(label).save(folder / f"{index}-label.png")
        for kind, pairs in written.items():
            path = folder / f"{index}.{kind}"
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=95)
            pairs.append((path, folder / f"{index}-label.png"))
    return written


def link_files(files: Sequence[tuple[Path, Path]], frames: int, folder: Path) -> list[tuple[Path, Path]]:
    """Link the files under as many names as there are frames."""
    pairs = []
    for index in range(frames):
        names = []
        for path in files[index % len(files)]:
            names.append(folder / f"frame{index}-{path.name}")
            os.link(path, names[-1])
        pairs.append((names[0], names[1]))
    return pairs


def load_with_oodbench(files: Sequence[tuple[Path, Path]]) -> None:
    frames: list[Frame] = [file_frame(image.stem, "", image, label, RULE, CITYSCAPES_19) for image, label in files]
    for batch in batching.forward_batches(
        Nothing(), frames, batching.split_batches(len(frames), 1), Needs(), labelled=True
    ):
        assert batch.labels[0].values.shape == SIZE


def load_with_opencv(files: Sequence[tuple[Path, Path]]) -> None:
    def read(image: Path, label: Path) -> tuple[Any, Any]:
        return cv2.imread(str(image)), cv2.imread(str(label), cv2.IMREAD_UNCHANGED)

    with ThreadPoolExecutor(batching.WORKERS) as pool:
        pending: deque[Future[tuple[Any, Any]]] = deque()
        for image, label in files:
            if len(pending) == batching.AHEAD:
                assert pending.popleft().result()[1].shape == SIZE
            pending.append(pool.submit(read, image, label))
        for future in pending:
            assert future.result()[1].shape == SIZE


def time_loading(
    read: Callable[[Sequence[tuple[Path, Path]]], None], files: Sequence[tuple[Path, Path]]
) -> list[float]:
    """Return seconds per frame, wall-clock time and CPU time."""
    clock, processor = time.perf_counter(), time.process_time()
    read(files)
    return [spent / len(files) for spent in (time.perf_counter() - clock, time.process_time() - processor)]


def measure_peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--pairs", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind, files in write_files(Path(folder), arguments.files).items():
            load_with_opencv(files)  # warm-up: the files are then in the system's cache
            pairs = [
                (time_loading(load_with_opencv, files), time_loading(load_with_oodbench, files))
                for _ in range(arguments.pairs)
            ]
            print(f"{kind}, {len(files)} files, {len(pairs)} pairs")
            for what, at in {"clock": 0, "processor": 1}.items():
                spent = [(bare[at], mine[at]) for bare, mine in pairs]
                ratios = [bare / mine for bare, mine in spent]
                bare, mine = (1e3 * statistics.median(column) for column in zip(*spent, strict=True))
                print(
                    f"  {what:<9}  OpenCV {bare:6.1f} ms per frame, the feed {mine:6.1f}, "
                    f"ratio of the rates {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
                    flush=True,
                )
        frames = link_files(files, arguments.frames, Path(folder))
        tenth = len(frames) // 10
        load_with_oodbench(frames[:tenth])
        before = measure_peak_mb()
        load_with_oodbench(frames[tenth:])
        print(f"peak memory {before:.0f} MB after {tenth} frames, {measure_peak_mb():.0f} MB after {len(frames)}")


if __name__ == "__main__":
    main()
