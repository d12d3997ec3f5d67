"""User-facing errors. Each states the problem and how to fix it.

Every error of the package derives from `OodbenchError`. The command line prints its text without a traceback and
exits with 2; code that uses the package catches it like any exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BaselineError",
    "BenchmarksFailedError",
    "DataError",
    "DataNotFoundError",
    "MissingExtraError",
    "ModelError",
    "NotComparableError",
    "NotStoredError",
    "OodbenchError",
    "PluginError",
    "RunFolderError",
    "ScoreError",
    "StopRequestedError",
    "StoppedElsewhereError",
    "TrainingError",
    "UnknownNameError",
    "UsageError",
]


class OodbenchError(Exception):
    """The base class of errors that the user can fix.

    Args:
        problem: The problem, with the file and the value, and the expectation.
        remedy: The command or the change that fixes it.

    Attributes:
        problem: The problem, as given.
        remedy: The remedy, as given; None if there is none.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.load_benchmark("streets-static", plugins="absent.py")
        ... except oodbench.errors.OodbenchError as error:
        ...     print(type(error).__name__)
        PluginError
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem if remedy is None else f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OodbenchError):
    """An invalid request: an option, a parameter or a combination of them.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.create_method("knn", k=0)
        ... except oodbench.errors.UsageError as error:
        ...     print(error.problem)
        method 'knn:k=0': k=0: input should be greater than or equal to 1
    """


class UnknownNameError(UsageError):
    """A name of a plugin, a parameter or a format that does not exist.

    The message suggests the most similar known name, or lists all known names.

    Args:
        kind: The kind of the name, such as `method`.
        name: The unknown name.
        known: All names of this kind.
        see: A command that lists them; None: the error has no remedy.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.create_method("max-logits")
        ... except oodbench.errors.UnknownNameError as error:
        ...     print(error)
        unknown method 'max-logits'. Did you mean 'max-logit'?
        See: oodbench list methods
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str | None = None) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [other for other in names if name in other]
        hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(names) or 'none'}."
        super().__init__(f"unknown {kind} '{name}'.{hint}", f"See: {see}" if see else None)


class MissingExtraError(OodbenchError):
    """A feature whose optional libraries are not installed.

    Args:
        what: The feature.
        extra: The extra of the package that installs its libraries.
        cause: The error of the failed import.

    Examples:
        >>> from oodbench.errors import MissingExtraError
        >>> MissingExtraError("HDF5", "hdf5", ImportError("No module named 'h5py'")).remedy
        "Install them: pip install 'oodbench[hdf5]'"
    """

    def __init__(self, what: str, extra: str, cause: ImportError) -> None:
        super().__init__(
            f"{what} needs libraries that are not installed ({cause})", f"Install them: pip install 'oodbench[{extra}]'"
        )


class DataError(OodbenchError):
    """A benchmark, a dataset, an image or a label file that is not valid.

    Args:
        problem: The problem, with the file and the value, and the expectation.
        remedy: The command or the change that fixes it.
        each: One line per file if several files have the same problem.

    Attributes:
        each: One line per file, as given.

    Examples:
        >>> from pathlib import Path
        >>> from oodbench.data import read_image
        >>> from oodbench.errors import DataError
        >>> _ = Path("frame.png").write_bytes(b"not an image")
        >>> try:
        ...     read_image(Path("frame.png"))
        ... except DataError as error:
        ...     print(error.remedy)
        Unpack or download this file again.
    """

    def __init__(self, problem: str, remedy: str | None = None, each: Iterable[str] = ()) -> None:
        super().__init__(problem, remedy)
        self.each = tuple(each)


class DataNotFoundError(DataError):
    """A benchmark or dataset that is not in any of the given folders.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.load_benchmark("road-anomaly", data=".")
        ... except oodbench.errors.DataNotFoundError as error:
        ...     print(error.problem[:29])
        road-anomaly was not found in
    """


class ModelError(OodbenchError):
    """A network or its card that can't be used as requested.

    Examples:
        >>> import oodbench
        >>> from torch import nn
        >>> try:
        ...     oodbench.Scorer("msp", nn.Conv2d(3, 19, 1))
        ... except oodbench.errors.ModelError as error:
        ...     print(error.problem)
        the segmenter is a Conv2d; expected a Segmenter
    """


class PluginError(OodbenchError):
    """A plugin file that can't be read or conflicts with another one.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.list_methods(plugins="absent.py")
        ... except oodbench.errors.PluginError as error:
        ...     print(error.problem.rpartition("/")[2])
        absent.py: no such plugin file
    """


class ScoreError(OodbenchError):
    """Scores of a method or in a file that can't be evaluated.

    Examples:
        >>> import numpy as np
        >>> import oodbench
        >>> try:
        ...     oodbench.metrics.auroc(np.array([0.5, np.nan], np.float32), np.array([0, 1]))
        ... except oodbench.errors.ScoreError as error:
        ...     print(error.problem)
        1 of 2 valid pixels score NaN; expected a number for each
    """


class BaselineError(OodbenchError):
    """An accepted baseline that is missing, damaged or not writable.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.gate("run", "absent.json")
        ... except oodbench.errors.BaselineError as error:
        ...     print(error.problem)
        absent.json: no such baseline file
    """


class NotComparableError(OodbenchError):
    """A run and an accepted baseline that differ in more than their numbers.

    Args:
        problem: The run and the baseline that are compared.
        reasons: All differences that prevent a comparison.
        remedy: The command or the change that fixes it.

    Attributes:
        reasons: All differences, one text each.

    Examples:
        >>> from oodbench.errors import NotComparableError
        >>> error = NotComparableError("the runs differ", ["seed is 0 in the baseline, 1 now"], "Use the same seed.")
        >>> print(error.problem)
        the runs differ:
               - seed is 0 in the baseline, 1 now
    """

    def __init__(self, problem: str, reasons: Iterable[str], remedy: str) -> None:
        self.reasons = tuple(reasons)
        super().__init__("".join([f"{problem}:", *(f"\n       - {reason}" for reason in self.reasons)]), remedy)


class RunFolderError(OodbenchError):
    """A run folder that is not writable, is in use, is incomplete or belongs to another run.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.load("absent")
        ... except oodbench.errors.RunFolderError as error:
        ...     print(error.problem)
        absent: no run in this folder; expected a folder with a plan.json
    """


class NotStoredError(RunFolderError):
    """A requested map that is not stored: it is not scored yet, or was not kept."""


class StoppedElsewhereError(OodbenchError):
    """Raised in a worker when another process of the group failed and reports the actual error."""


class BenchmarksFailedError(OodbenchError):
    """The failure of some benchmarks of a run in which the others finished."""


class StopRequestedError(OodbenchError):
    """A run that stopped after a batch on request; the same command resumes it."""


class TrainingError(OodbenchError):
    """A training that can't continue."""
