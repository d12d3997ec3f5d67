"""Full disks: a command writes to a disk of a few kilobytes, and again when there is space.

Right is: a message that names the file, and the same bytes once there is space. It needs the right to mount.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from random import Random

from tools.attack.content import differences, find_leftovers, read_content
from tools.attack.kills import JOBS
from tools.attack.ledger import Finding
from tools.attack.material import Material
from tools.attack.process import run_forked

# "data blend" replaces its folder, which is here a disk.
_JOBS = ("run", "run --keep-scores none", "evaluate --scores", "predict", "report", "convert", "train")


class FullDisk:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._references: dict[str, Mapping[str, str]] = {}

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        name = _JOBS[index % len(_JOBS)]
        job = JOBS[name]
        if name not in self._references:
            folder = self._material.begin(job.before)
            run_forked(job.command, folder)
            self._references[name] = read_content(folder)
        folder = self._material.begin(job.before)
        kilobytes = int(4 * 300 ** random.random())
        if not _mount(folder / "out", kilobytes):
            yield Finding("not possible", "no right to mount")
            return
        try:
            outcome = run_forked(job.command, folder)
            detail = f"{kilobytes} KiB: code {outcome.code}; {outcome.message}"
            if outcome.fault is not None:
                yield Finding(name, outcome.fault, f"{detail} {outcome.stderr[-800:]}")
                return
            if outcome.code not in (0, 2, 4):
                yield Finding(name, "wrong code", detail)
                return
            subprocess.run(["mount", "-o", "remount,size=200m", folder / "out"], check=True)
            again = run_forked(job.command, folder)
            found = read_content(folder)
            whole = not differences(found, self._references[name])
            if again.code != 0 and not (job.refuses and whole):
                yield Finding(name, "lost", f"{detail}; again: {again.message}")
            elif not whole:
                yield Finding(name, "silent", detail)
            else:
                yield Finding(name, "leftover" if find_leftovers(folder) else "same bytes", detail)
        finally:
            subprocess.run(["umount", "-l", folder / "out"], check=False)


def _mount(folder: object, kilobytes: int) -> bool:
    """Put a small disk over a folder, with what is in it."""
    from pathlib import Path

    path = Path(str(folder))
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "oodbench-attack", str(path)]
    return not any(path.iterdir()) and subprocess.run(command, capture_output=True, check=False).returncode == 0
