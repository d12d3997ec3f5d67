"""Common tasks of a developer: `python -m tools.tasks TASK`.

It needs nothing but Python, so it runs on Linux, macOS and Windows. Arguments after the task go to its last command:
`python -m tools.tasks test-fast -k msp`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAST = "not slow and not browser and not real_data and not mmseg"

# Task -> (what it does, arguments of `python -m`).
TASKS = {
    "install": (
        "install oodbench and its development tools into the current environment",
        ("pip", "install", "-c", "constraints.txt", "-e", ".[dev]"),
    ),
    "lint": ("run the formatter, the linters and the type checker", ("pre_commit", "run", "--all-files")),
    "test": ("run the whole test suite", ("pytest", "-n", "2")),
    "test-fast": ("run the tests that need only a few minutes", ("pytest", "-n", "2", "-m", FAST)),
    "docs": ("build the documentation site", ("mkdocs", "build", "--strict")),
}


def main(arguments: list[str]) -> int:
    """Run the task that the first argument names and return its exit code."""
    if not arguments or arguments[0] not in TASKS:
        print("usage: python -m tools.tasks TASK [ARGUMENT ...]\n", file=sys.stderr)
        for name, (summary, _) in TASKS.items():
            print(f"  {name:<11}{summary}", file=sys.stderr)
        return 2
    name, *rest = arguments
    command = [sys.executable, "-m", *TASKS[name][1], *rest]
    print("+ python", *command[1:], flush=True)
    # The hooks call programs by name. They are next to the interpreter, also if the environment is not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"PATH": path}).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
