"""Conversion of a command's errors to messages and to the codes of `exit_codes.py`."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from typer.core import TyperGroup
from typing_extensions import override

from oodbench.cli.exit_codes import ExitCode
from oodbench.cli.streams import OutputFailedError, discard_output, install_streams
from oodbench.errors import BenchmarksFailedError, OodbenchError, StopRequestedError
from oodbench.out_of_memory import find_memory_error, summarise_memory_error
from oodbench.stopping import request_stop
from oodbench.text import escape_controls

_EXIT_CODES = {BenchmarksFailedError: ExitCode.SOME_FAILED, StopRequestedError: ExitCode.STOPPED}
"""Exit codes of errors that are not user errors."""


class _Interrupted(BaseException):
    """A signal that ends the program.

    KeyboardInterrupt is not used, because typer handles it before a message can be printed.
    """


_MESSAGE = "interrupted: run the same command again to resume from the saved files"

_received: list[ExitCode] = []
"""The exit code of the signal that ends the program, once it was received."""


def _install_signal_handlers() -> None:
    """Make the program end on Ctrl-C and SIGTERM, and stop after the current batch on SIGUSR1.

    A second signal ends the process at once.
    """

    def interrupt(number: int, _: object) -> None:
        code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        _received.append(code)
        _end_at_once_with(code)
        raise _Interrupted

    def end(unraisable: Any) -> None:
        """End if Python can't raise `_Interrupted`, because the signal arrived in a callback of a library."""
        if isinstance(unraisable.exc_value, _Interrupted):
            print(_MESSAGE, file=sys.stderr, flush=True)
            os._exit(_received[0])
        sys.__unraisablehook__(unraisable)

    sys.unraisablehook = end
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    if (stop := getattr(signal, "SIGUSR1", None)) is not None:  # Windows has none
        signal.signal(stop, lambda *_: request_stop())
    # Python's shutdown gives each signal its default action, which would replace the exit code.
    atexit.register(_ignore_signals)


def _end_at_once_with(code: int) -> None:
    """Let the next signal end the process with this exit code."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: os._exit(code))


def _exit_if_interrupted() -> None:
    """Exit if a signal ended the program. A library that was being imported may have replaced its exception."""
    if _received:
        print(_MESSAGE, file=sys.stderr)
        sys.exit(_received[0])


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)


def stop_after_batch_on_termination() -> None:
    """Let SIGTERM request a stop after the current batch, for a command that resumes. A second one ends at once."""

    def stop(*_: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(ExitCode.TERMINATED))
        request_stop()

    signal.signal(signal.SIGTERM, stop)


def _print_error(text: str) -> None:
    """Print to standard error; a file's name or content in the text can't change the terminal."""
    print(escape_controls(text, "\n\t"), file=sys.stderr)


class FaultGroup(TyperGroup):
    """The group of all commands. typer takes every EOFError for an end of the user's input, and would hide it."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise RuntimeError("a file or a stream ended too early") from error


def run_command(command: Callable[[], object]) -> None:
    """Run a command. If it fails, print its error and exit with the error's code."""
    try:
        _run(command)
    except SystemExit as end:
        _end_at_once_with(end.code if isinstance(end.code, int) else 0)  # an exception would be lost in the shutdown
        raise


def _run(command: Callable[[], object]) -> None:
    # OpenMP reads it when torch and numba are imported. Threads that spin while they wait slow down a machine on which
    # other programs run.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _install_signal_handlers()
    install_streams()
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except OodbenchError as error:
        _exit_if_interrupted()
        _print_error(f"error: {error.problem}")
        if error.remedy:
            _print_error(f"       {error.remedy}")
        sys.exit(_EXIT_CODES.get(type(error), ExitCode.MISTAKE))
    except _Interrupted:
        _exit_if_interrupted()
    except OutputFailedError as failure:
        discard_output()
        if failure.closed:
            sys.exit(ExitCode.OUTPUT_CLOSED)
        print(f"error: standard output can't be written ({failure.reason})", file=sys.stderr)
        print("       Write to another file, or free some space.", file=sys.stderr)
        sys.exit(ExitCode.MISTAKE)
    except Exception as error:
        _exit_if_interrupted()
        if (cause := find_memory_error(error)) is not None:
            _print_error(f"error: not enough memory ({summarise_memory_error(cause)})")
            print("       Close other programs or use smaller images. The same command then resumes.", file=sys.stderr)
            sys.exit(ExitCode.MISTAKE)
        _print_error(traceback.format_exc().rstrip("\n"))
        sys.exit(ExitCode.FAULT)
