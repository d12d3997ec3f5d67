"""User-facing errors. Each states the problem and how to fix it.

Every error of the package derives from `OodbenchError`. The command line prints its text without a traceback and
exits with 2; code that uses the package catches it like any exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OodbenchError(Exception):
    """The base class of errors that the user can fix.

    Args:
        problem: The problem, with the file and the value, and the expectation.
        remedy: The command or the change that fixes it.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem if remedy is None else f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OodbenchError):
    """An invalid request: an option, a parameter or a combination of them."""


class UnknownNameError(UsageError):
    """A name of a plugin, a parameter or a format that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str | None = None) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [other for other in names if name in other]
        hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(names) or 'none'}."
        super().__init__(f"unknown {kind} '{name}'.{hint}", f"See: {see}" if see else None)


class MissingExtraError(OodbenchError):
    """A feature whose optional libraries are not installed."""

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
    """

    def __init__(self, problem: str, remedy: str | None = None, each: Iterable[str] = ()) -> None:
        super().__init__(problem, remedy)
        self.each = tuple(each)


class DataNotFoundError(DataError):
    """A benchmark or dataset that is not in any of the given folders."""


class ModelError(OodbenchError):
    """A network or its card that can't be used as requested."""


class PluginError(OodbenchError):
    """A plugin file that can't be read or conflicts with another one."""


class ScoreError(OodbenchError):
    """Scores of a method or in a file that can't be evaluated."""


class BaselineError(OodbenchError):
    """An accepted baseline that is missing, damaged or not writable."""


class NotComparableError(OodbenchError):
    """A run and an accepted baseline that differ in more than their numbers.

    Args:
        problem: The run and the baseline that are compared.
        reasons: All differences that prevent a comparison.
        remedy: The command or the change that fixes it.
    """

    def __init__(self, problem: str, reasons: Iterable[str], remedy: str) -> None:
        self.reasons = tuple(reasons)
        super().__init__("".join([f"{problem}:", *(f"\n       - {reason}" for reason in self.reasons)]), remedy)


class RunFolderError(OodbenchError):
    """A run folder that is not writable, is in use, is incomplete or belongs to another run."""


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
