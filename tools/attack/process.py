"""Commands of oodbench in a forked process, which needs no imports, or in a separate process.

A forked process can end itself with SIGKILL before its n-th change of a file, so that a trial does not depend on the
speed of the machine.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

LIMIT = 120.0
"""Seconds after which a command that has not ended counts as hanging."""

_TRACEBACK = "Traceback (most recent call last)"
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: The exit code, negative for a signal; None: it did not end.
        stdout: What it printed.
        stderr: Its messages.
        changes: Number of times it was about to change a file; 0 in a separate process.
        value: Return value of a function.
    """

    code: int | None
    stdout: str
    stderr: str
    changes: int = 0
    value: Any = None

    @property
    def fault(self) -> str | None:
        """The fault that no command may have: hang, traceback, or None."""
        if self.code is None:
            return "hang"
        if _TRACEBACK in self.stdout + self.stderr or self.code == 3 or "Aborted!" in self.stderr:
            return "traceback"
        return None

    @property
    def message(self) -> str:
        """The error message on one line."""
        return " ".join(self.stderr[self.stderr.rfind("error:") :].split())[:300] if "error:" in self.stderr else ""


def run_forked(
    arguments: Sequence[str | Path],
    folder: Path,
    *,
    kill_before: int | None = None,
    kill_after: float | None = None,
) -> Outcome:
    """Run a command of oodbench in a fork of this process.

    Args:
        arguments: Arguments of `oodbench`.
        folder: Current folder of the command.
        kill_before: Number of the change of a file before which the process ends itself, from 0.
        kill_after: Seconds after which the process is killed.
    """
    return call_forked(partial(_main, arguments), folder, kill_before=kill_before, kill_after=kill_after)


def call_forked(
    function: Callable[[], object],
    folder: Path,
    *,
    kill_before: int | None = None,
    kill_after: float | None = None,
) -> Outcome:
    """Call a function in a fork of this process; see `run_forked`."""
    streams = [folder.parent / f"{folder.name}.{name}" for name in ("out", "err", "end")]
    for path in streams:
        path.write_bytes(b"")
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        _child(function, folder, streams, kill_before)
    code = _wait(process, kill_after)
    end = streams[2].read_bytes()
    changes, value = pickle.loads(end) if end else (0, None)  # noqa: S301  # written by this program
    stdout, stderr = (path.read_text(encoding="utf-8", errors="replace") for path in streams[:2])
    for path in streams:
        path.unlink()
    return Outcome(code, stdout, stderr, changes, value)


def run_process(
    arguments: Sequence[str | Path], folder: Path, *, signals: Mapping[float, int] | None = None, **options: Any
) -> Outcome:
    """Run a command of oodbench in a separate process, and send it signals after these numbers of seconds."""
    command = [sys.executable, "-m", "oodbench", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen(command, cwd=folder, text=True, errors="replace", start_new_session=True, **pipes)
    started = time.monotonic()
    for seconds, number in sorted((signals or {}).items()):
        try:
            process.wait(max(0.0, started + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
    try:
        stdout, stderr = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        return Outcome(None, stdout or "", stderr or "")
    return Outcome(process.returncode, stdout or "", stderr or "")


def _main(arguments: Sequence[str | Path]) -> None:
    from oodbench.cli.main import main

    sys.argv = ["oodbench", *map(str, arguments)]
    main()


def _child(function: Callable[[], object], folder: Path, streams: Sequence[Path], kill_before: int | None) -> None:
    """Call the function and end this process."""
    os.setsid()
    code, value = 0, None
    changes = _Changes(kill_before)
    try:
        for descriptor, path in zip((1, 2), streams[:2], strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), descriptor)
        os.chdir(folder)
        sys.addaudithook(changes)
        value = function()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        traceback.print_exc()
        code = 3
    finally:
        changes.kill_before = None
        sys.stdout.flush()
        sys.stderr.flush()
        streams[2].write_bytes(pickle.dumps((changes.count, value)))
        os._exit(code)


class _Changes:
    """Audit hook that counts the changes of files, and kills the process before one of them."""

    def __init__(self, kill_before: int | None) -> None:
        self.kill_before, self.count = kill_before, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event not in _CHANGES:
            return
        if self.count == self.kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def _wait(process: int, kill_after: float | None) -> int | None:
    """Wait for a process and return its exit code; None if it had to be killed because it did not end."""
    started = time.monotonic()
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        if seconds > (LIMIT if kill_after is None else kill_after):
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None if kill_after is None else -signal.SIGKILL
        time.sleep(0.005)
