"""Errors about the installed versions of MMSegmentation's libraries.

mmcv and mmcv-lite are two packages with one module, `mmcv`. If one is installed over the other, the folder contains
files of both. Therefore no remedy here installs the extra, which contains mmcv-lite, over a full mmcv.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from oodbench.errors import MissingExtraError, ModelError, OodbenchError

_REINSTALL = (
    "Remove mmcv first, because mmcv and mmcv-lite are stored in the same folder: "
    "pip uninstall -y mmcv mmcv-lite && pip install 'oodbench[mmseg]'"
)


def check_mmcv(what: str) -> None:
    """Raise if the files of mmcv and mmcv-lite are mixed.

    Args:
        what: The feature that needs them, for the error.

    Raises:
        ModelError: Both packages are installed, with different versions.
    """
    full, lite = _find_version("mmcv"), _find_version("mmcv-lite")
    if full and lite and full != lite:
        raise ModelError(
            f"{what}: mmcv {full} and mmcv-lite {lite} are installed, and their files are mixed; expected one of them",
            _REINSTALL,
        )


def explain_missing(what: str, error: ImportError) -> OodbenchError:
    """Return the error about a library that can't be imported.

    Args:
        what: The feature that needs it.
        error: The error of the failed import.
    """
    full = _find_version("mmcv")
    if full is None:
        return MissingExtraError(what, "mmseg", error)
    return ModelError(
        f"{what} needs libraries that are not installed or can't be loaded ({error}); the full mmcv {full} is "
        "installed, and MMSegmentation 1.2 needs mmcv 2.0 or 2.1",
        f"{_REINSTALL}\nTo keep a full mmcv 2.0 or 2.1, install the other packages of the extra by name instead.",
    )


def explain_conflict(what: str) -> ModelError:
    """Return the error about versions of mmcv or MMEngine that MMSegmentation or mmdet refuses.

    Their own message asks for a newer mmcv even if the installed one is too new.

    Args:
        what: The feature that needs them.
    """
    mmcv, mmengine = (getattr(sys.modules.get(name), "__version__", "unknown") for name in ("mmcv", "mmengine"))
    return ModelError(
        f"{what}: mmcv {mmcv} and mmengine {mmengine} are installed; expected mmcv 2.0 or 2.1 and mmengine 0.x, which "
        "MMSegmentation 1.2 needs",
        _REINSTALL,
    )


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
