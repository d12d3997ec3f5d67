"""The environment in which results are computed: versions, processor, device and memory."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version

from oodbench.threads import count_threads

# Distributions whose versions can affect the numbers.
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


HALVED = "halved"
"""Name in an environment that states that batches were halved."""

# Between the values of an environment that differed during a run.
_OR = " or "


def find_version(package: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe_environment(device: str) -> dict[str, str]:
    """Return the versions, processor, device and number of threads, by name. `gpu` is the model of a GPU."""
    import torch

    versions = {package: number for package in PACKAGES if (number := find_version(package))}
    return {
        "python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor_name(),
        "threads": str(min(torch.get_num_threads(), count_threads())),
        "device": device,
        **({"gpu": torch.cuda.get_device_name()} if device == "cuda" and torch.cuda.is_available() else {}),
    }


def describe_differences(environment: Mapping[str, str]) -> list[str]:
    """Return one warning for each fact of a joined environment that can make frames of one run differ."""
    warnings = [
        f"frames were scored with different values of {name} ({environment[name]}): last digits can differ"
        for name in ("torch", "onnxruntime", "processor", "threads", "gpu")
        if _OR in environment.get(name, "")
    ]
    if HALVED in environment:
        warnings.append(f"{environment[HALVED]}: last digits can differ from those of whole batches")
    return warnings


def join_environments(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return one environment for score maps that were computed in several; it has all values of each name."""
    values: dict[str, dict[str, None]] = {}
    for environment in environments:
        for name, value in environment.items():
            values.setdefault(name, {}).update(dict.fromkeys(value.split(_OR)))
    return {name: _OR.join(options) for name, options in values.items()}


def peak_memory() -> int | None:
    """Return the peak resident memory of this process so far, in bytes.

    None on Windows, because Python's standard library does not provide it there.
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
