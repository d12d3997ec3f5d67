"""Memory, disk and time of runs of many frames without score maps.

    python -m tools.speed.many_frames [--frames 10000] [--height 128] [--width 256] [--memory 2GiB]

A network of one convolution scores frames that are drawn in memory, so that what is measured is the work of the run:
planning, scoring, measuring and evaluating two methods with `--keep-scores none`. The peak of the memory is that of the
process, and the peak of the disk that of the run's folder, measured every half second. At the end the same run is
repeated, which finds everything computed.

A run of a tenth of the frames comes first, so that growth with the number of frames is visible.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

METHODS = ["msp", "energy"]


def draw_image(index: int, height: int, width: int) -> Any:
    """Return an image of smooth noise with a bright object."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(index)
    coarse = rng.integers(0, 160, (height // 16, width // 16, 3), np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = place(index, height, width)
    image[top : top + height // 8, left : left + width // 8] += 60
    return image


def place(index: int, height: int, width: int) -> tuple[int, int]:
    return (index * 7919) % (height - height // 8), (index * 104729) % (width - width // 8)


def read_labels(index: int, height: int, width: int) -> Any:
    import numpy as np

    from oodbench.types import AnomalyLabels

    labels = np.zeros((height, width), np.uint8)
    top, left = place(index, height, width)
    labels[top : top + height // 8, left : left + width // 8] = 1
    labels[-height // 16 :] = 255
    return AnomalyLabels(labels)


def run_once(frames: int, height: int, width: int, memory: str) -> None:
    """Run in this process, and print the measurements as JSON."""
    import torch
    from typing_extensions import override

    import oodbench
    from oodbench.contracts import Benchmark, BenchmarkCard, Roots
    from oodbench.types import Frame, FrameSet

    class ManyFrames(Benchmark):
        card = BenchmarkCard(
            name="many-frames",
            title="Many frames",
            paper="",
            url="",
            licence="",
            frames=frames,
            layouts={"synthetic": "drawn in memory"},
            obtain="",
            labels={},
            leaderboard_protocol="pooled",
        )

        @override
        def open(self, roots: Roots) -> FrameSet:
            size = (height, width)
            found = tuple(
                Frame(
                    id=f"frame-{index:06d}",
                    group=f"frame-{index:06d}",
                    read_size=lambda: size,
                    read_image=partial(draw_image, index, *size),
                    read_anomaly_labels=partial(read_labels, index, *size),
                    identity=f"many-frames {index} {size}",
                )
                for index in range(frames)
            )
            return FrameSet(found, "synthetic", None, frames)

    torch.manual_seed(0)
    network = oodbench.TorchSegmenter(torch.nn.Conv2d(3, 19, 1), classes="cityscapes-19", normalize="imagenet")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        run = partial(
            oodbench.run,
            models=network,
            methods=METHODS,
            benchmarks=ManyFrames(),
            out=out,
            keep_scores="none",
            memory=memory,
            stop_after="evaluate",
            limit="all",
        )
        disk = [0]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.5):
                found = subprocess.run(["du", "-sk", out], capture_output=True, text=True, check=False).stdout.split()
                disk[0] = max(disk[0], int(found[0]) if found else 0)

        watcher = threading.Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        results = run().results
        spent = time.perf_counter() - start
        done.set()
        watcher.join()
        start = time.perf_counter()
        run()
        print(
            json.dumps(
                {
                    "seconds": spent,
                    "again": time.perf_counter() - start,
                    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                    "disk": disk[0] / 1024,
                    "sketches": sum(path.stat().st_size for path in out.glob("sketches/*")) / 2**20,
                    "width": max((max(result.bracket_widths.values(), default=0.0) for result in results), default=0.0),
                }
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        run_once(arguments.frames, arguments.height, arguments.width, arguments.memory)
        return
    print(f"{', '.join(METHODS)}; frames of {arguments.height} x {arguments.width}; --memory {arguments.memory}")
    for frames in (arguments.frames // 10, arguments.frames):
        command = [sys.executable, "-m", "tools.speed.many_frames", "--once", "--frames", str(frames)]
        command += ["--height", str(arguments.height), "--width", str(arguments.width), "--memory", arguments.memory]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        per_frame = 1e3 * found["seconds"] / frames
        print(
            f"{frames:6d} frames: {found['seconds']:7.1f} s ({per_frame:.1f} ms per frame), "
            f"again {found['again']:.1f} s, "
            f"peak memory {found['memory']:.0f} MB, peak disk {found['disk']:.0f} MB, "
            f"sketches {found['sketches']:.1f} MB, widest bracket {found['width']:.1e}"
        )


if __name__ == "__main__":
    main()
