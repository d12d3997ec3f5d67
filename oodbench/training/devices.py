"""Processes that share each training step: started by this program, by torchrun or by Slurm."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed
from mmengine.dist import all_gather_object, all_reduce, get_dist_info, init_dist, is_distributed, is_main_process
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from oodbench.errors import OodbenchError, StoppedElsewhereError, UsageError
from oodbench.stopping import clear_stop, is_stop_requested
from oodbench.threads import count_threads
from oodbench.training.options import Launcher

T = TypeVar("T")

# Parameters of mallopt with the largest values that they accept, in bytes: the maximum size of a block on the heap, and
# the free memory that is kept at the end of the heap.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = (-3, 32 << 20), (-1, (1 << 31) - 1)

# Seconds that processes wait for each other. The first one validates while the others wait.
_TIMEOUT = 4 * 3600
# The signal that requests a stop. Windows has none.
_STOP_SIGNAL = getattr(signal, "SIGUSR1", None)
# Seconds between two looks at the processes and at requests to stop.
_POLL = 1.0


def detect_launcher() -> Launcher:
    """Return `pytorch` if torchrun or `run_processes` started this process, otherwise `none`."""
    return "pytorch" if "RANK" in os.environ and "WORLD_SIZE" in os.environ else "none"


def is_first_process(launcher: Launcher) -> bool:
    """Return whether this is the process that prints messages. It works before the processes are connected."""
    variable = {"none": None, "pytorch": "RANK", "slurm": "SLURM_PROCID"}[launcher]
    return variable is None or os.environ.get(variable, "0") == "0"


def check_launcher(launcher: Launcher, devices: int) -> None:
    """Check that the launcher started this process, and as many processes as `--devices` says if it is not 1.

    Raises:
        UsageError: The launcher did not start this process, or it started another number of processes.
    """
    needed = {"none": (), "pytorch": ("RANK", "LOCAL_RANK", "WORLD_SIZE"), "slurm": ("SLURM_PROCID", "SLURM_NTASKS")}
    missing = [name for name in needed[launcher] if name not in os.environ]
    if missing:
        command = "torchrun ... -m oodbench train" if launcher == "pytorch" else "srun ... oodbench train"
        raise UsageError(
            f"--launcher {launcher}: {missing[0]} is not set, so it started no process", f"Start it: {command}"
        )
    started = int(os.environ[needed[launcher][-1]]) if needed[launcher] else devices
    if devices not in (1, started):
        raise UsageError(f"--devices {devices}: {started} processes were started", "Omit --devices.")


def check_gpu_count(devices: int, device: str) -> None:
    """Check that this machine has enough GPUs.

    Args:
        devices: Number of processes that share a step.
        device: `cpu` or `cuda`.

    Raises:
        UsageError: The machine has fewer GPUs.
    """
    if device == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(
            f"--devices {devices}: this torch sees {torch.cuda.device_count()} GPUs",
            "Give no larger number, or --device cpu.",
        )


def connect_processes(launcher: Launcher, device: str) -> str:
    """Connect to the other processes and return the device of this one.

    Args:
        launcher: Program that started the processes.
        device: `cpu` or `cuda`.

    Raises:
        UsageError: This process has no GPU, or Slurm's processes are to train on CPUs.
    """
    if launcher == "none" or torch.distributed.is_initialized():
        return device
    if device == "cuda":
        # Slurm may show each process only one GPU, with the index 0.
        local = int(os.environ["LOCAL_RANK"]) if launcher == "pytorch" else 0
        if local >= torch.cuda.device_count():
            raise UsageError(
                f"process {local} of this machine has no GPU: this torch sees {torch.cuda.device_count()}",
                "Start as many processes as there are GPUs.",
            )
        init_dist(launcher, backend="nccl", timeout=_TIMEOUT)
        return f"cuda:{torch.cuda.current_device()}"
    if launcher == "slurm":
        raise UsageError("--launcher slurm: expected GPUs, this torch sees none", "On CPUs use --devices N.")
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=_TIMEOUT))
    return device


def disconnect_processes() -> None:
    """Disconnect from the other processes."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def synchronized_errors() -> Iterator[None]:
    """Make an error in one of the processes that share each step stop all of them.

    Otherwise the other processes would wait for hours. All processes have to enter this context.

    Raises:
        OodbenchError: In the first process; the error of the process in which it occurred.
        StoppedElsewhereError: In the other processes.
    """
    own: OodbenchError | None = None
    try:
        yield
    except OodbenchError as error:
        if not is_distributed():
            raise
        own = error
    if not is_distributed():
        return
    failed = torch.tensor(int(own is not None))
    all_reduce(failed, "max")
    if not failed:
        return
    errors = all_gather_object(None if own is None else (own.problem, own.remedy))
    rank, (problem, remedy) = next((rank, error) for rank, error in enumerate(errors) if error is not None)
    if not is_main_process():
        raise StoppedElsewhereError(problem, remedy) from own
    if own is not None:
        raise own
    raise OodbenchError(f"process {rank} of {get_dist_info()[1]}: {problem}", remedy)


def keep_freed_memory() -> None:
    """Make glibc keep the memory of freed tensors, which it otherwise returns and requests again in each step.

    On a CPU this makes a step a tenth to a fifth faster. The process does not shrink after its peak. Without glibc the
    function has no effect.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or a system on which CDLL(None) does not work
        return
    for parameter, value in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
        mallopt(parameter, value)


def run_processes(processes: int, work: Callable[[T], int], argument: T) -> int:
    """Run `work(argument)` in new processes of this machine that share each step.

    Args:
        processes: Number of processes.
        work: Function that can be pickled. It returns the exit code of its process.
        argument: Argument of `work`; it can be pickled.

    Returns:
        The exit code of the first process that failed, or 0.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Otherwise each process would use all cores.
    for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, str(max(count_threads() // processes, 1)))
    with _ignored_stop_signal():
        started = spawn(_run_process, (processes, port, work, argument), processes, join=False)  # type: ignore[no-untyped-call]  # torch's
    try:
        while not started.join(timeout=_POLL):
            if _STOP_SIGNAL is not None and is_stop_requested():
                clear_stop()
                os.kill(started.processes[0].pid, _STOP_SIGNAL)
    except ProcessExitedException as error:
        return int(error.exit_code)
    finally:
        # The processes still run if only this one was interrupted.
        for process in started.processes:
            process.terminate()
    return 0


def _run_process(rank: int, processes: int, port: int, work: Callable[[T], int], argument: T) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(processes), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    raise SystemExit(work(argument))


@contextmanager
def _ignored_stop_signal() -> Iterator[None]:
    """Let processes that start here ignore SIGUSR1 until they handle it: by default it ends a process."""
    if _STOP_SIGNAL is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(_STOP_SIGNAL, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(_STOP_SIGNAL, handler)


def is_any_stop_requested() -> bool:
    """Return whether a stop was requested in any of the processes that share each step. All have to call this."""
    requested = torch.tensor(int(is_stop_requested()))
    if is_distributed():
        all_reduce(requested, "max")
    return bool(requested)
