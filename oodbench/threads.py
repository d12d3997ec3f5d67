"""The number of threads that this process may use, and the libraries and pools that keep to it.

A machine may have more cores than a process may use: OMP_NUM_THREADS states a number, a scheduler assigns cores (the
CPU affinity, or cpuset), and a container or a batch job has a quota of processor time (a control group, or cgroup).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# Linux: the control groups of this process, one per line, and the folder of all control groups.
_OWN_GROUPS, _ALL_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")

# The numbers of the enclosing `limit_threads` blocks that state one, the innermost last.
_stated: list[int] = []

READING_NUMPY_FILE = threading.Lock()
"""Held while numpy reads a file. It parses the header with `ast`, which fails in Python 3.11 if several threads do so
at the same time (https://github.com/python/cpython/issues/106905)."""


def count_threads() -> int:
    """Return the number of threads that this process may use.

    It is the number that the enclosing `limit_threads` states, OMP_NUM_THREADS if it is set, or `count_cores()`.
    """
    if _stated:
        return _stated[-1]
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a list has one number per nesting level
    return int(wanted) if wanted.isdecimal() and int(wanted) > 0 else count_cores()


def count_cores() -> int:
    """Return the number of cores that this process may use.

    These are the cores of its CPU affinity. If its control groups allow the processor time of fewer cores, it is that
    number, rounded up.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # Windows and macOS lack it
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min([cores, *map(math.ceil, _read_quotas())])


def _read_quotas() -> Iterator[float]:
    """Yield the quota of each control group that this process is in, in cores."""
    try:
        lines = _OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = _ALL_GROUPS / controllers.partition(",")[0] if controllers else _ALL_GROUPS
        group = mount / path.lstrip("/")
        # A container sees only the last folders of the path.
        for folder in (group, *group.parents[: len(group.parts) - len(mount.parts)]):
            quota = _read_quota(folder)
            if quota is not None:
                yield quota


def _read_quota(folder: Path) -> float | None:
    """Return the quota of one control group in cores, or None if it has none."""
    try:
        if (folder / "cpu.max").is_file():  # version 2
            quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (folder / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip() for name in ("quota", "period")
            )
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or the quota is "max"
        return None


@contextmanager
def limit_threads(threads: int | None = None) -> Iterator[None]:
    """Let torch and OpenCV use at most `count_threads()` threads within the block, and restore their numbers.

    Args:
        threads: The exact number of threads within the block; None: `count_threads()`.
    """
    import cv2
    import torch

    before = torch.get_num_threads(), cv2.getNumThreads()
    if threads is not None:
        _stated.append(threads)
    allowed = count_threads()
    torch.set_num_threads(threads or min(before[0], allowed))
    cv2.setNumThreads(threads or min(before[1], allowed))
    try:
        yield
    finally:
        if threads is not None:
            _stated.pop()
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@contextmanager
def share_torch_threads() -> Iterator[None]:
    """Let numba's parallel loops use as many threads as torch within the block.

    Otherwise the first parallel loop starts as many threads as there are cores, and sets the threads of OpenMP, which
    torch uses too, to the same number.
    """
    import numba
    import torch

    threads = torch.get_num_threads()
    own = numba.get_num_threads()
    numba.set_num_threads(min(own, threads))
    try:
        yield
    finally:
        numba.set_num_threads(own)
        torch.set_num_threads(threads)


@contextmanager
def open_pool(workers: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads that does not start the tasks in its queue when the block ends, as after Ctrl-C.

    Args:
        workers: Number of threads; None: `count_threads()`.
    """
    pool = ThreadPoolExecutor(workers or count_threads())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
