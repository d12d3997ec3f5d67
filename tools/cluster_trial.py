"""Trial of a Ray cluster of three nodes on this machine: `python -m tools.cluster_trial FOLDER`.

It prints whether a run on three nodes, of which one is removed in the middle, gives the results of a run in one
process, and the frames per second of one and of two workers with one thread each.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oodbench

OPTIONS: dict[str, Any] = {
    "models": "streets-softmax",
    "methods": ["msp", "energy", "entropy", "max-logit"],
    "benchmarks": "streets-anomaly",
    "id_limit": 2,
    "threads": 1,
    "keep_scores": "measurements",
    "stop_after": "evaluate",
}


class Watch:
    """Progress that calls a function after a number of frames, and measures frames per second from then on."""

    def __init__(self, after: int, call: Callable[[], object] = lambda: None) -> None:
        self._after, self._call = after, call
        self.frames_per_second = 0.0

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)

    warn = say

    @contextmanager
    def track(self, title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done, start = 0, 0.0

        def advance(count: int) -> None:
            nonlocal done, start
            done += count
            if done == self._after and title.startswith("score"):
                start = time.perf_counter()
                self._call()

        yield advance
        if start:
            self.frames_per_second = (done - self._after) / (time.perf_counter() - start)


def results(run: oodbench.Run) -> list[dict[str, Any]]:
    return [row.model_dump(exclude={"cost", "environment"}) for row in run.results]


def main(folder: Path) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"object_store_memory": 200 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **node})
    others = [cluster.add_node(num_cpus=1, object_store_memory=200 << 20) for _ in range(2)]
    on_ray = {"executor": "ray", "ray_address": cluster.address}
    serial = oodbench.run(**OPTIONS, limit=30, out=folder / "serial")
    remove = threading.Thread(target=cluster.remove_node, args=(others[1],), kwargs={"allow_graceful": False})
    watch = Watch(6, remove.start)
    run = oodbench.run(**OPTIONS, limit=30, out=folder / "three", workers=3, progress=watch, **on_ray)
    remove.join()
    print("three nodes, one removed:", "equal" if results(run) == results(serial) else "DIFFERENT")
    for workers in (1, 2):
        watch = Watch(40)
        oodbench.run(**OPTIONS, limit=140, out=folder / str(workers), workers=workers, progress=watch, **on_ray)
        print(f"{workers} workers: {watch.frames_per_second:.2f} frames per second")
    cluster.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
