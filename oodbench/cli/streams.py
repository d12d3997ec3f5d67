"""Standard output and standard error that fail without a traceback.

A closed pipe, a full disk, a closed stream or an encoding without arrows must not change what a command does or what
its exit code says. Control characters on standard output are escaped: they could change the terminal or hide text.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from typing import IO, Any

from oodbench.text import escape_controls

# Characters of tables and progress bars, and what is printed in an encoding without them, of the same width.
_PLAIN = {"↑": "^", "↓": "v", "→": ">", "←": "<", "─": "-", "━": "-", "│": "|", "–": "-", "—": "-", "…": ".", "×": "x"}


def _replace_characters(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace characters that an encoding lacks, as an error handler of `codecs.register_error`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(character, character) for character in text)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error("oodbench", _replace_characters)


class OutputFailedError(BaseException):
    """Standard output can't be written. It is not an OSError, because typer handles those itself."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.closed = error.errno == errno.EPIPE
        self.reason = error.strerror


class _Stream:
    """A text stream whose failures are ignored, or raised as `OutputFailedError`."""

    def __init__(self, stream: IO[str], *, lossy: bool) -> None:
        self._stream, self._lossy = stream, lossy

    def write(self, text: str) -> int:
        try:
            # Only standard error has progress bars, which consist of control characters.
            return self._stream.write(text if self._lossy else escape_controls(text, "\n\t"))
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._lossy:
            raise OutputFailedError(error) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install_streams() -> None:
    """Replace the standard streams of this process."""
    for name, lossy in (("stdout", False), ("stderr", True)):
        stream: Any = getattr(sys, name)
        if stream is None or stream.closed:  # closed by the shell: 2>&-
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="oodbench")
        setattr(sys, name, _Stream(stream, lossy=lossy))


def discard_output() -> None:
    """Send what is left of standard output nowhere, so that the interpreter does not fail on it when it ends."""
    try:
        descriptor = sys.__stdout__.fileno() if sys.__stdout__ is not None else None
        if descriptor is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    except (OSError, ValueError):  # closed already
        return
