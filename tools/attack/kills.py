"""Kills: SIGKILL at a random point of a command, then the same command again.

Correct: the second command succeeds, the files are those of an uninterrupted command, and no temporary file remains.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tools.attack.jobs import JOBS, Repetitions
from tools.attack.ledger import Finding
from tools.attack.material import Material
from tools.attack.process import run_forked


class Kills:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material, self._repetitions = material, Repetitions(material)

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        name = list(JOBS)[index % len(JOBS)]
        job = JOBS[name]
        _, unbroken = self._repetitions.reference(name)
        folder = self._material.begin(job.before)
        points = [random.randrange(max(1, unbroken.changes)) for _ in range(random.choice((1, 1, 2)))]
        if random.random() < 0.3:
            killed = [run_forked(job.command, folder, kill_after=random.uniform(0.02, 1.5))]
            detail = "killed after a while"
        else:
            killed = [run_forked(job.command, folder, kill_before=point) for point in points]
            detail = f"killed before change {' and '.join(map(str, points))} of {unbroken.changes}"
        yield self._repetitions.repeat(name, name, detail)
        for outcome in killed:
            if outcome.fault is not None:
                yield Finding(name, outcome.fault, f"{detail}, in the killed command: {outcome.stderr[-500:]}")
