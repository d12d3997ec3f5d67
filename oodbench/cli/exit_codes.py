"""Exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of all verbs (docs/reference/errors.md).

    An internal error has the code 3 instead of Python's 1, because 1 means that `oodbench gate` found a regression.
    """

    DONE = 0
    WORSE = 1
    MISTAKE = 2
    FAULT = 3
    SOME_FAILED = 4
    NOT_VERIFIED = 5
    STOPPED = 75
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143
