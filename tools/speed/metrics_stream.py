"""Evaluation of many frames in bounded memory: exact metrics of 2000 frames of 1024 x 2048 in less than a gigabyte.

    python -m tools.speed.metrics_stream [--frames 2000] [--budget 700] [--kind smooth]

A frame is generated from its index each time the source is read, as a stored map would be read again from disk. The
time for this is measured separately. Two ways are measured in turn, each in a separate process on one core: `passes`,
exact under the budget (MiB), and `brackets`, in one pass with 19 MB. Prints the CPU times and the peak memory of each
process, including Python and its libraries.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from tools.speed.metrics import make_frame


class Frames:
    """A source that can be read repeatedly, with the time that it took to generate the frames."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count, self.seconds, self.passes = kind, count, 0.0, 0

    def __call__(self) -> Iterator[tuple]:  # type: ignore[type-arg]
        import numpy as np

        from oodbench.types import AnomalyLabels

        self.passes += 1
        for index in range(self.count):
            start = time.process_time()
            score, label = make_frame(self.kind, np.random.default_rng(index))
            self.seconds += time.process_time() - start
            yield score, AnomalyLabels(label)


def measure(way: str, kind: str, count: int, budget: int) -> None:
    """Measure one way and print a line."""
    from oodbench.metrics import POOLED, BucketCounts, Buckets, pixel_brackets, pixel_metrics_of

    frames = Frames(kind, count)
    start = time.process_time()
    if way == "passes":
        values = pixel_metrics_of(frames, POOLED, budget << 20).values
        text = ", ".join(f"{name} {value:.6f}" for name, value in values.items())
    else:
        counts = BucketCounts(Buckets.even(19))
        for score, labels in frames():
            counts.update(score, labels)
        brackets = pixel_brackets(counts, POOLED)
        text = ", ".join(f"{name} {low:.6f} to {brackets.high[name]:.6f}" for name, low in brackets.low.items())
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{way}: {count} frames ({kind}) read {frames.passes} times, {seconds - frames.seconds:.1f} s, and "
        f"{frames.seconds:.1f} s to generate them; peak {peak:.0f} MB; {text}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--budget", type=int, default=700, help="memory for the counts in MiB")
    parser.add_argument("--kind", choices=["smooth", "tied", "iid"], default="smooth")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one, arguments.kind, arguments.frames, arguments.budget)
        return
    core = str(sorted(os.sched_getaffinity(0))[0])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for way in ("passes", "brackets"):
        command = ["taskset", "-c", core, sys.executable, __file__, *sys.argv[1:], "--one", way]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
