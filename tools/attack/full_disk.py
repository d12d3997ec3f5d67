"""Full disks: a command writes to a disk of a few kilobytes, and again when there is space.

Correct: a message that names the file, and the same bytes once there is space. It needs the right to mount.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tools.attack.jobs import JOBS, Repetitions
from tools.attack.ledger import Finding
from tools.attack.material import Material
from tools.attack.process import run_forked

# "data blend" replaces its folder, which is here a disk.
_JOBS = ("run", "run --keep-scores none", "evaluate --scores", "predict", "report", "convert", "train")


class FullDisk:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material, self._repetitions = material, Repetitions(material)

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        name = _JOBS[index % len(_JOBS)]
        job = JOBS[name]
        self._repetitions.reference(name)
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
            yield self._repetitions.repeat(name, name, detail)
        finally:
            subprocess.run(["umount", "-l", folder / "out"], check=False)


def _mount(folder: Path, kilobytes: int) -> bool:
    """Put a small disk over an empty folder, and return whether that was possible."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "oodbench-attack", str(folder)]
    return not any(folder.iterdir()) and subprocess.run(command, capture_output=True, check=False).returncode == 0
