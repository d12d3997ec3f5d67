"""Running of a command: errors become messages and exit codes.

Exit codes: 0 done, 1 worse than the baseline (`gate` only), 2 a mistake that the user can correct, 3 a fault of the
program, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable

from oodbench.cli.exit_codes import ExitCode
from oodbench.errors import OodbenchError


class _Interrupted(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which typer handles itself before a message can be printed."""


def _interrupt(*_: object) -> None:
    raise _Interrupted


def run_command(command: Callable[[], object]) -> None:
    """Run a command; print its error and exit with the error's code if it fails."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        command()
    except OodbenchError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        if error.remedy:
            print(f"       {error.remedy}", file=sys.stderr)
        sys.exit(ExitCode.MISTAKE)
    except _Interrupted:
        print("interrupted: the same command goes on from what is saved", file=sys.stderr)
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:
        traceback.print_exc()
        sys.exit(ExitCode.FAULT)
