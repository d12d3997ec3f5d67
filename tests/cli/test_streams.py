"""Closed pipes, full disks and narrow encodings: no traceback, and no exit code that means something else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oodbench.baseline import accept
from oodbench.cli.exit_codes import ExitCode
from tests.helpers.results import row, write_result

COMMAND = [sys.executable, "-m", "oodbench"]


def run_with_closed_pipe(*words: str, cwd: Path) -> tuple[int, str]:
    """Run a command whose reader has ended, and return the exit code and standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([*COMMAND, *words], cwd=cwd, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    _, error = process.communicate(timeout=300)
    return process.returncode, error


def test_a_closed_pipe_does_not_turn_a_passing_gate_into_a_regression(tmp_path: Path) -> None:
    accept(write_result(tmp_path / "run", [row()]), tmp_path / "baseline.json")
    code, error = run_with_closed_pipe("gate", "run", "--baseline", "baseline.json", cwd=tmp_path)
    assert code == 141
    assert error == ""


def test_a_closed_pipe_ends_help_and_lists_quietly(tmp_path: Path) -> None:
    for words in (["--help"], ["list", "methods"]):
        assert run_with_closed_pipe(*words, cwd=tmp_path) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_output_is_an_error_with_a_message(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "list", "methods"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output can't be written (No space left on device)\n")
    assert "Traceback" not in done.stderr


def test_a_full_or_closed_standard_error_does_not_stop_a_command() -> None:
    for redirection in ("2>/dev/full", "2>&-"):
        words = f"{sys.executable} -m oodbench info method msp {redirection}"
        done = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, redirection
        assert "MSP" in done.stdout


ASCII = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}


def test_characters_outside_the_encoding_are_replaced() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", errors="oodbench")
    stream.write("AP ↑  FPR95 ↓ ── a…é \udcff")
    stream.flush()
    assert stream.buffer.getvalue() == b"AP ^  FPR95 v -- a.\\xe9 \\udcff"


def test_commands_print_in_ascii(tmp_path: Path) -> None:
    accept(write_result(tmp_path / "é", [row()]), tmp_path / "baseline.json")
    for words in (["list"], ["gate", "é", "--baseline", "baseline.json"], ["data", "list"]):
        done = subprocess.run([*COMMAND, *words], capture_output=True, env=ASCII, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
        assert done.stderr.isascii()


def test_a_signal_at_the_end_of_the_shutdown_does_not_change_the_exit_code() -> None:
    program = """
import os, signal, sys
from oodbench.cli.launch import run_command

class Late:
    def __del__(self):  # called when the interpreter has given up its own signal handlers
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)

sys.modules["late"] = late = Late()
late.itself = late
del late
run_command(lambda: os.kill(os.getpid(), signal.SIGINT))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.INTERRUPTED, done.stderr
    assert done.stderr.startswith("interrupted: ")


def test_a_signal_after_the_end_of_a_command_does_not_change_its_exit_code() -> None:
    program = """
import atexit, os, signal, sys
from oodbench.cli.launch import run_command

def stop():
    atexit.register(os.kill, os.getpid(), signal.SIGTERM)
    sys.exit(75)

run_command(stop)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitCode.STOPPED, "")


def test_a_library_that_hides_the_exception_of_a_signal_does_not_change_the_exit_code() -> None:
    program = """
import os, signal
from oodbench.cli.launch import run_command
from oodbench.errors import UsageError

def import_library():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        raise UsageError("the library is missing", "Install it.") from None

run_command(import_library)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.TERMINATED
    assert done.stderr.startswith("interrupted: ")


def test_a_signal_in_a_callback_of_a_library_ends_the_command() -> None:
    program = """
import ctypes, os, signal
from oodbench.cli.launch import run_command

callback = ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), signal.SIGTERM))
run_command(callback)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.TERMINATED
    assert done.stderr == "interrupted: run the same command again to resume from the saved files\n"
