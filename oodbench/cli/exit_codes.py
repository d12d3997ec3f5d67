"""How a command ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of all verbs (docs/reference/errors.md).

    A fault of the program is not 1, which is Python's own code for it: 1 says that a gate found a worse network.
    """

    DONE = 0
    WORSE = 1
    MISTAKE = 2
    FAULT = 3
    SOME_FAILED = 4
    NOT_VERIFIED = 5
    STOPPED = 75
    INTERRUPTED = 130
    TERMINATED = 143
