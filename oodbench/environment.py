"""Where a number was made."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

# What bears on the numbers, by the name of its distribution.
PACKAGES = (
    "oodbench",
    "torch",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "pillow",
    "scikit-learn",
    "numba",
)


def find_version(package: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_environment(device: str) -> dict[str, str]:
    """Versions, processor, device and threads."""
    import torch

    found = {package: have for package in PACKAGES if (have := find_version(package))}
    return {
        "python": platform.python_version(),
        **found,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "threads": str(torch.get_num_threads()),
        "device": device,
    }


def peak_memory() -> int | None:
    """Return the largest resident memory that this process has had so far, in bytes.

    None on Windows, where Python's standard library can't tell.
    """
    if sys.platform == "linux":
        # ru_maxrss starts at the memory of the parent process here.
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:")), None)
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes on macOS and in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
