"""What can go wrong through no fault of the program, each said in a way that tells how to mend it.

Every error of the package derives from `OodbenchError`. The command line prints its text without a traceback and
exits with 2; a library user catches it like any exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OodbenchError(Exception):
    """A mistake that the user can mend.

    Args:
        problem: what is wrong, with the file and the value, and what was expected.
        remedy: the command or the change that mends it.
    """

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem if remedy is None else f"{problem}\n{remedy}")
        self.problem = problem
        self.remedy = remedy


class UsageError(OodbenchError):
    """The request itself does not make sense: an option, a parameter, a combination."""


class UnknownNameError(UsageError):
    """A plugin, a parameter or a format of that name does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str], see: str | None = None) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or [known for known in names if name in known]
        hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(names) or 'none'}."
        super().__init__(f"unknown {kind} '{name}'.{hint}", f"See: {see}" if see else None)


class MissingExtraError(OodbenchError):
    """A part of the program needs libraries that are installed on request only."""

    def __init__(self, what: str, extra: str, cause: ImportError) -> None:
        super().__init__(f"{what} needs libraries that are not installed ({cause})", f"pip install 'oodbench[{extra}]'")


class DataError(OodbenchError):
    """A data set, an image or a label file is not what it should be.

    Args:
        problem: as in every error of ours.
        remedy: likewise.
        each: where several files are wrong in the same way, a line for each of them.
    """

    def __init__(self, problem: str, remedy: str | None = None, each: Iterable[str] = ()) -> None:
        super().__init__(problem, remedy)
        self.each = tuple(each)


class DataNotFoundError(DataError):
    """A data set was looked for and is in none of the folders that were given."""


class ModelError(OodbenchError):
    """A network, or the card that describes it, can't be used as asked."""


class PluginError(OodbenchError):
    """A plugin file can't be read, or clashes with another."""


class ScoreError(OodbenchError):
    """Scores can't be evaluated: those of a method, or those in a file."""


class BaselineError(OodbenchError):
    """The accepted baseline is missing, damaged, or can't be written."""


class NotComparableError(OodbenchError):
    """A run and the accepted baseline differ in more than their numbers.

    Args:
        problem: which two.
        reasons: in what they differ, all of it.
        remedy: what to do.
    """

    def __init__(self, problem: str, reasons: Iterable[str], remedy: str) -> None:
        self.reasons = tuple(reasons)
        super().__init__("".join([f"{problem}:", *(f"\n       - {reason}" for reason in self.reasons)]), remedy)


class RunFolderError(OodbenchError):
    """The folder of a run can't be written, is in use, is incomplete or belongs to another run."""


class NotStoredError(RunFolderError):
    """A map is asked for that is not there: not scored yet, or not kept."""


class StoppedElsewhereError(OodbenchError):
    """Another of the processes that do one thing together says what is wrong; this one ends with it."""


class BenchmarksFailedError(OodbenchError):
    """Some benchmarks failed and the others finished."""


class StopRequestedError(OodbenchError):
    """A run stopped after a batch because that was requested; the same command resumes it."""


class TrainingError(OodbenchError):
    """A training can't go on."""
