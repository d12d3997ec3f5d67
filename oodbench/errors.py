"""Errors that the user can fix. Each states the problem and how to fix it.

Every error of the package derives from `OodbenchError`. The command line prints its text without a traceback and
exits with 2; code that uses the package catches it like any exception.
"""

from __future__ import annotations

import copyreg
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typing_extensions import override

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
    "UntrustedCodeError",
    "UsageError",
]


# Number of known names that an error about an unknown name lists. A benchmark can have thousands of frames.
_MOST_LISTED = 50


class OodbenchError(Exception):
    """The base class of errors that the user can fix.

    Args:
        problem: The problem, with the file and the value, and the expectation.
        remedy: The command or the change that fixes it.

    Attributes:
        problem: The problem, as passed.
        remedy: The remedy, as passed; None if there is none.

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

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        # The arguments of a derived class are not kept: its instance is made again without calling `__init__`.
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]


class UsageError(OodbenchError):
    """Error about an argument, or a combination of arguments, that is not valid.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.create_method("knn", k=0)
        ... except oodbench.errors.UsageError as error:
        ...     print(error.problem)
        method 'knn:k=0': k=0: input should be greater than or equal to 1
    """


class UnknownNameError(UsageError):
    """Error about a name of a method, benchmark, parameter, file format or plugin that does not exist.

    The message suggests the most similar known name, or lists the known names.

    Args:
        kind: The kind of the name, such as `method`.
        name: The unknown name.
        known: All known names of this kind.
        see: A command that lists the known names; None: the error has no remedy.
        absent: A plugin file that a run names, that does not exist, and that may define the name; None: there is none.
        where: The option or the file that contains the name; empty: the message starts with `unknown`.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.create_method("max-logits")
        ... except oodbench.errors.UnknownNameError as error:
        ...     print(error)
        unknown method 'max-logits'. Did you mean 'max-logit'?
        See: oodbench list methods
    """

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        see: str | None = None,
        absent: Path | None = None,
        where: str = "",
    ) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [other for other in names if name in other]
        more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        listed = f" Known: {', '.join(names[:_MOST_LISTED]) or 'none'}{more}."
        hint = f" Did you mean '{close[0]}'?" if close else listed
        if absent is not None:
            hint = f" {describe_absent_plugin(absent)}."
        start = f"{where}: unknown" if where else "unknown"
        super().__init__(f"{start} {kind} '{name}'.{hint}", f"See: {see}" if see else None)


def describe_absent_plugin(file: Path) -> str:
    """Return what an error says about a plugin file that a run names and that does not exist."""
    return f"The run names the plugin file {file}, which does not exist: if it is elsewhere now, give --plugin FILE"


class MissingExtraError(OodbenchError):
    """Error about a feature whose optional libraries are not installed.

    Args:
        what: The feature.
        extra: The extra of the package, as in `pip install 'oodbench[EXTRA]'`, that installs these libraries.
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
    """Error about a benchmark, dataset, image or label file that is missing or not valid.

    Args:
        problem: The problem, with the file and the value, and the expectation.
        remedy: The command or the change that fixes the problem.
        each: One line per file if several files have the same problem; otherwise empty.

    Attributes:
        each: One line per file, as passed.

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
    """Error about a benchmark or dataset that none of the searched folders contains.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.load_benchmark("road-anomaly", data=".")
        ... except oodbench.errors.DataNotFoundError as error:
        ...     print(error.problem[:29])
        road-anomaly was not found in
    """


class ModelError(OodbenchError):
    """Error about a network, its model card (description) or its device that can't be used as requested.

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
    """Error about a plugin file (your own methods or benchmarks) that can't be read or conflicts with another file.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.list_methods(plugins="absent.py")
        ... except oodbench.errors.PluginError as error:
        ...     print(error.problem.rpartition("/")[2])
        absent.py: no such plugin file
    """


class UntrustedCodeError(PluginError):
    """Error about a plugin or a network in Python that only the folder of a run names, and that was not run.

    Args:
        file: The file with the code, as the run names it.
        options: The options with which the code is run.
        remedy: How to give these options.

    Examples:
        >>> from oodbench.errors import UntrustedCodeError
        >>> print(UntrustedCodeError("net.py", "--trust", "Give --trust if you trust its author."))
        net.py: the run names this code, which is not run without --trust
        Give --trust if you trust its author.
    """

    def __init__(self, file: str | Path, options: str, remedy: str) -> None:
        super().__init__(f"{file}: the run names this code, which is not run without {options}", remedy)


class ScoreError(OodbenchError):
    """Error about scores that can't be evaluated, for example because one is NaN or a score file is damaged.

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
    """Error about a baseline (file with the results of an accepted run) that is missing, damaged or not writable.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.gate("run", "absent.json")
        ... except oodbench.errors.BaselineError as error:
        ...     print(error.problem)
        absent.json: no such baseline file
    """


class NotComparableError(OodbenchError):
    """Error about two runs, or a run and a baseline (results of an accepted run), that can't be compared.

    The two have, for example, different frames or rules of evaluation, so that their metrics have different meanings.

    Args:
        problem: Text that names what is compared.
        reasons: All differences that prevent the comparison, one text each.
        remedy: The command or the change that makes the comparison possible.

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
    """Error about the folder of a run that is not writable, is in use, is incomplete or belongs to another run.

    Examples:
        >>> import oodbench
        >>> try:
        ...     oodbench.load("absent")
        ... except oodbench.errors.RunFolderError as error:
        ...     print(error.problem)
        absent: no run in this folder; expected a folder with a plan.json
    """


class NotStoredError(RunFolderError):
    """Error about a score map or another output that is not stored: it is not computed yet, or was not kept."""


class StoppedElsewhereError(OodbenchError):
    """Error in one of several processes because another process failed, which reports the actual error."""


class BenchmarksFailedError(OodbenchError):
    """Error about a run in which some benchmarks failed while the other benchmarks finished."""


class StopRequestedError(OodbenchError):
    """Error about a run or training that was asked to stop and stopped after a batch; the same command resumes it."""


class TrainingError(OodbenchError):
    """Error about a training that can't continue."""
