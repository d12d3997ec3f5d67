"""Imports on Windows and macOS, whose standard library lacks some modules and functions of that on Linux."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from oodbench.environment import peak_memory

ROOT = Path(__file__).parent.parent
FOLDERS = ("oodbench", "methods", "benchmarks", "reports")

# Names that are available only on some systems, according to the manual of the standard library.
MODULES = {
    *("_posixsubprocess", "crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd", "readline"),
    *("resource", "spwd", "syslog", "termios", "tty"),
    *("_winapi", "msvcrt", "nt", "winreg", "winsound"),
}
FUNCTIONS = {
    *("fork", "forkpty", "getuid", "geteuid", "getgid", "getpgid", "getpriority", "getloadavg", "killpg", "mkfifo"),
    *(
        "nice",
        "posix_fadvise",
        "posix_fallocate",
        "pread",
        "preadv",
        "pwrite",
        "sched_getaffinity",
        "sched_setaffinity",
    ),
    *("setpgid", "setpriority", "setsid", "statvfs", "sync", "sysconf", "uname", "wait3", "wait4", "startfile"),
    *("SIGALRM", "SIGBUS", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"),
    *("alarm", "pause", "pthread_kill", "setitimer", "sigwait"),
}


class ImportTime(ast.NodeVisitor):
    """Collector of the modules that the import of a module needs.

    Functions don't run during an import, and the body of a `try` that handles ImportError may fail.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.modules |= {alias.name.partition(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.modules.add((node.module or "").partition(".")[0])

    def visit_Try(self, node: ast.Try) -> None:
        caught = {name.id for handler in node.handlers for name in ast.walk(handler) if isinstance(name, ast.Name)}
        for part in (*(() if "ImportError" in caught else node.body), *node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        pass

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        pass


def find_needed_modules(code: str) -> set[str]:
    visitor = ImportTime()
    visitor.visit(ast.parse(code))
    return visitor.modules


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_imports_on_other_systems(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = {
        str(path.relative_to(ROOT)): find_needed_modules(path.read_text(encoding="utf-8")) & MODULES for path in paths
    }
    assert {path: modules for path, modules in found.items() if modules} == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_of_a_single_system_is_used(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        if isinstance(node.value, ast.Name) and node.value.id in {"os", "signal"} and node.attr in FUNCTIONS
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import resource", {"resource"}),
        ("import os, fcntl", {"os", "fcntl"}),
        ("from termios import tcgetattr", {"termios"}),
        ("if True:\n    import pwd", {"pwd"}),
        ("class A:\n    import grp", {"grp"}),
        ("try:\n    import resource\nexcept OSError:\n    import pwd", {"resource", "pwd"}),
        ("try:\n    import resource\nexcept ImportError:\n    import json", {"json"}),
        ("def f():\n    import resource", set()),
    ],
)
def test_imports_that_run_at_import_are_found(code: str, modules: set[str]) -> None:
    assert find_needed_modules(code) == modules


def test_peak_memory_is_in_bytes() -> None:
    program = "from oodbench.environment import peak_memory; kept = b'1' * (1 << 28); print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 1 << 28 < int(done.stdout) < 1 << 29


def test_peak_memory_is_unknown_without_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert peak_memory() is not None
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None
