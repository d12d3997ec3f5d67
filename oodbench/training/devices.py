"""Several processes that share each step: on this machine, or as torchrun or Slurm started them."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed
from mmengine.dist import all_gather_object, all_reduce, get_dist_info, init_dist, is_distributed, is_main_process
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from oodbench.errors import OodbenchError, StoppedElsewhereError, UsageError
from oodbench.training.architectures.recipe import ArchitectureRecipe
from oodbench.training.catalogue import AnyRecipe
from oodbench.training.recipe import Recipe

Launcher = Literal["none", "pytorch", "slurm"]

# mallopt's names of two settings, and the most that each takes: bytes up to which a block comes from the heap, and
# bytes that stay free at its end.
_HEAP_UP_TO, _KEPT_FREE = (-3, 32 << 20), (-1, (1 << 31) - 1)

# Seconds for which processes wait for each other; one of them measures while the others wait.
_PATIENCE = 4 * 3600


def launched() -> Launcher:
    """Whether torchrun, or `run_side_by_side`, started this process."""
    return "pytorch" if "RANK" in os.environ and "WORLD_SIZE" in os.environ else "none"


def is_first(launcher: Launcher) -> bool:
    """Whether this process is the one that speaks, before it has found the others."""
    number = {"none": None, "pytorch": "RANK", "slurm": "SLURM_PROCID"}[launcher]
    return number is None or os.environ.get(number, "0") == "0"


def check_launched(launcher: Launcher, devices: int) -> None:
    """Whether the launcher that is named started this process, and as many as `--devices` says, if that says any.

    Raises:
        UsageError: it didn't, or started another number.
    """
    needed = {"none": (), "pytorch": ("RANK", "LOCAL_RANK", "WORLD_SIZE"), "slurm": ("SLURM_PROCID", "SLURM_NTASKS")}
    missing = [name for name in needed[launcher] if name not in os.environ]
    if missing:
        how = "torchrun ... -m oodbench train" if launcher == "pytorch" else "srun ... oodbench train"
        raise UsageError(
            f"--launcher {launcher}: {missing[0]} is not set, so it started no process", f"Start it: {how}"
        )
    there = int(os.environ[needed[launcher][-1]]) if needed[launcher] else devices
    if devices not in (1, there):
        raise UsageError(f"--devices {devices}: {there} processes were started", "Leave --devices out.")


def join(launcher: Launcher, device: str) -> str:
    """Find the other processes; returns the device of this one.

    Args:
        launcher: what started them.
        device: `cpu` or `cuda`.

    Raises:
        UsageError: Slurm's processes are to train on CPUs.
    """
    if launcher == "none" or torch.distributed.is_initialized():
        return device
    if device == "cuda":
        # Slurm may show each process one GPU alone, its first.
        local = int(os.environ["LOCAL_RANK"]) if launcher == "pytorch" else 0
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"process {local} of this machine has no GPU: this torch sees {torch.cuda.device_count()}",
                "Start as many processes as there are GPUs.",
            )
        init_dist(launcher, backend="nccl", timeout=_PATIENCE)
        return f"cuda:{torch.cuda.current_device()}"
    if launcher == "slurm":
        raise UsageError("--launcher slurm: expected GPUs, this torch sees none", "On CPUs use --devices N.")
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=_PATIENCE))
    return device


def check_share(recipe: AnyRecipe, devices: int, device: str = "cpu") -> None:
    """Whether that many devices, `cpu` or `cuda`, can share the recipe's steps.

    Raises:
        UsageError: they can't.
    """
    if devices > 1 and isinstance(recipe, Recipe):
        raise UsageError(f"{recipe.name}: the compact network trains on one device", "Leave --devices out.")
    if device == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(
            f"--devices {devices}: this torch sees {torch.cuda.device_count()} GPUs", "Take no more, or --device cpu."
        )
    if isinstance(recipe, ArchitectureRecipe) and recipe.data.batch.value % devices:
        batch = recipe.data.batch.value
        raise UsageError(
            f"{recipe.name}: a step has {batch} crops, which {devices} devices can't share evenly",
            f"Take a number of devices that {batch} can be divided by.",
        )


def keep_memory() -> None:
    """Let glibc keep the pages of large tensors, which it otherwise gives back and gets again in each step.

    On a CPU a step takes a tenth to a fifth less, and the process holds on to what it once had. Does nothing elsewhere
    than with glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function, or no such way of asking for it
        return
    for setting, value in (_HEAP_UP_TO, _KEPT_FREE):
        mallopt(setting, value)


@contextmanager
def failing_together() -> Iterator[None]:
    """What goes wrong within it in one of the processes that share each step ends all of them.

    Else the others would wait for it for hours. All of them have to come here.

    Raises:
        OodbenchError: in the first process what went wrong, in whichever it did.
        StoppedElsewhereError: in the others.
    """
    problem: OodbenchError | None = None
    try:
        yield
    except OodbenchError as error:
        if not is_distributed():
            raise
        problem = error
    if not is_distributed():
        return
    failed = torch.tensor(int(problem is not None))
    all_reduce(failed, "max")
    if not failed:
        return
    said = all_gather_object(None if problem is None else (problem.problem, problem.remedy))
    rank, (what, remedy) = next((rank, words) for rank, words in enumerate(said) if words is not None)
    if not is_main_process():
        raise StoppedElsewhereError(what, remedy) from problem
    if problem is not None:
        raise problem
    raise OodbenchError(f"process {rank} of {get_dist_info()[1]}: {what}", remedy)


def leave() -> None:
    """Let go of the other processes."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def run_side_by_side(processes: int, work: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run `work(arguments)` in that many new processes of this machine; returns the exit code, 0 if all did well.

    Args:
        processes: how many.
        work: a function that can be pickled; what it returns is its process's exit code.
        arguments: for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Else each would take all cores.
    for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, str(max((os.cpu_count() or 1) // processes, 1)))
    started = spawn(_one, (processes, port, work, list(arguments)), processes, join=False)  # type: ignore[no-untyped-call]  # torch's
    try:
        while not started.join():
            pass
    except ProcessExitedException as error:
        return int(error.exit_code)
    finally:
        # Where this one alone was interrupted.
        for process in started.processes:
            process.terminate()
    return 0


def _one(rank: int, ranks: int, port: int, work: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    raise SystemExit(work(arguments))
