"""The executor that a request names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from oodbench.executors.ray.cluster import Resources, import_ray
from oodbench.executors.serial import SerialExecutor
from oodbench.planning.plan import Plan
from oodbench.planning.request import Request
from oodbench.stages.executor import Executor
from oodbench.threads import count_threads


@contextmanager
def open_executor(request: Request, plan: Plan) -> Iterator[Executor]:
    """Open the executor of a request. Its workers end with the block.

    Raises:
        MissingExtraError: The request names Ray, which is not installed.
    """
    if request.executor == "serial":
        yield SerialExecutor()
        return
    import_ray()
    from oodbench.executors.ray.executor import RayExecutor

    on_gpu = any(network.device == "cuda" for network in plan.record.networks)
    gpus = float(on_gpu) if request.gpus_per_worker is None else request.gpus_per_worker
    resources = Resources(request.workers, request.threads or count_threads(), gpus, request.ray_address)
    with ExitStack() as stack:
        yield RayExecutor(resources, stack)
