"""Errors of commands become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from oodbench.cli import launch, main
from oodbench.cli.exit_codes import ExitCode


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[BaseException], Any]]:
    """Return a function that runs the command `list`, which raises an error, and returns the exit code."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))  # restored after the test
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def run(error: BaseException) -> Any:
        def fail(*_: Any) -> None:
            raise error

        monkeypatch.setattr("oodbench.cli.list.Registry", fail)
        with pytest.raises(SystemExit) as end:
            launch.run_command(lambda: main.app(["list"]))
        return end.value.code

    yield run
    os.environ.pop("OMP_WAIT_POLICY", None)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_an_end_of_file_is_a_fault(run: Callable[[BaseException], Any], capsys: pytest.CaptureFixture[str]) -> None:
    """The code 1 would mean that `oodbench gate` found a regression."""
    assert run(EOFError("Ran out of input")) == ExitCode.FAULT
    error = capsys.readouterr().err
    assert "EOFError: Ran out of input" in error
    assert "Aborted" not in error


def test_missing_memory_has_a_message(run: Callable[[BaseException], Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(MemoryError("Unable to allocate 9.00 GiB for an array")) == ExitCode.MISTAKE
    assert capsys.readouterr().err.startswith("error: not enough memory (Unable to allocate 9.00 GiB for an array)\n")


def test_waiting_threads_do_not_spin_unless_the_user_wants_it(
    run: Callable[[BaseException], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(MemoryError())
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    run(MemoryError())
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
