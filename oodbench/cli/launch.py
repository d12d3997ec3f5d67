"""Running of a command: errors become messages and exit codes.

Exit codes: 0 done, 1 worse than the baseline (`gate` only), 2 a mistake that the user can fix, 3 a fault of the
program, 4 some benchmarks failed and the others finished, 5 something could not be verified (`verify` only), 75
stopped on request after a batch, 130 and 143 interrupted.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable

from oodbench.cli.exit_codes import ExitCode
from oodbench.errors import BenchmarksFailedError, OodbenchError, StopRequestedError
from oodbench.stopping import request_stop

_EXIT_CODES = {BenchmarksFailedError: ExitCode.SOME_FAILED, StopRequestedError: ExitCode.STOPPED}
"""Errors that are not the user's mistake."""


class _Interrupted(BaseException):
    """A signal that ends the program. Not KeyboardInterrupt, which typer handles itself before a message is printed."""

    def __init__(self, code: ExitCode) -> None:
        self.code = code


def _listen() -> None:
    """End on Ctrl-C and on a request to terminate; stop after the current batch on SIGUSR1."""

    def interrupt(number: int, _: object) -> None:
        raise _Interrupted(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if (stop := getattr(signal, "SIGUSR1", None)) is not None:  # Windows has none
        signal.signal(stop, lambda *_: request_stop())


def run_command(command: Callable[[], object]) -> None:
    """Run a command; print its error and exit with the error's code if it fails."""
    _listen()
    try:
        command()
    except OodbenchError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        if error.remedy:
            print(f"       {error.remedy}", file=sys.stderr)
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.MISTAKE))
    except _Interrupted as interruption:
        print("interrupted: the same command resumes from what is saved", file=sys.stderr)
        sys.exit(interruption.code)
    except Exception:
        traceback.print_exc()
        sys.exit(ExitCode.FAULT)
