"""Connection to a Ray cluster, or a cluster on this machine that ends with the run."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from oodbench.errors import MissingExtraError, UsageError
from oodbench.threads import count_cores

# Memory for outcomes that wait to be stored, in bytes. Ray writes what exceeds it to the disk.
_OBJECT_STORE = 512 << 20

# Seconds until it is an error that nothing answers at the address.
_CONNECTION_SECONDS = 10


@dataclass(frozen=True)
class Resources:
    """What a run uses of a cluster.

    Attributes:
        workers: Number of workers; None: as many as the cluster has room for.
        threads: Number of threads per worker.
        gpus: Number of GPUs per worker, which can be a fraction.
        address: Address of a running cluster; None: a cluster on this machine.
    """

    workers: int | None
    threads: int
    gpus: float
    address: str | None


@contextmanager
def connect(resources: Resources) -> Iterator[int]:
    """Connect to the cluster within the block, and yield the number of workers.

    Raises:
        UsageError: There is no cluster at the address.
    """
    ray = import_ray()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if resources.address is None:
        workers = resources.workers or max(1, count_cores() // resources.threads)
        options |= {"address": "local", "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        options |= {"num_cpus": workers * resources.threads}
    elif resources.address.startswith("ray://"):
        raise UsageError(
            f"--ray-address {resources.address}: expected HOST:PORT or auto",
            "Run the command on a machine of the cluster.",
        )
    else:
        _check_reachable(resources.address)
        options |= {"address": resources.address}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"--executor ray: no connection to a cluster ({error})",
            "Start one with 'ray start --head', and give its address, or omit --ray-address.",
        ) from error
    try:
        total = ray.cluster_resources()
        room = total.get("CPU", 0) // resources.threads
        if resources.gpus:
            room = min(room, total.get("GPU", 0) // resources.gpus)
        yield resources.workers or max(1, int(room))
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Check that something listens at an address `HOST:PORT`. Ray waits for minutes for a cluster that is not there."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECTION_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--ray-address {address}: there is no cluster ({error})",
            "Start one with 'ray start --head', or correct the address.",
        ) from error


def import_ray() -> Any:
    """Import Ray without its telemetry, and without its signal handler, which would replace that of the command.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("--executor ray", "ray", error) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)
    return ray
