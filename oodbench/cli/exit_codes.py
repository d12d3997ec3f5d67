"""How a command ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every verb. A fault is not 1, Python's own code for it: 1 says that a gate has closed."""

    DONE = 0
    WORSE = 1
    MISTAKE = 2
    FAULT = 3
    INTERRUPTED = 130
