"""Kills: SIGKILL at a random point of a command, then the same command again.

Right is: the second command succeeds, the files are those of an unbroken command, and no temporary file remains.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from tools.attack.content import differences, find_leftovers, read_content
from tools.attack.ledger import Finding
from tools.attack.material import RUN, Material
from tools.attack.process import Outcome, run_forked

Command = tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """A command that writes files.

    Attributes:
        command: Its arguments.
        before: Commands that must have succeeded.
        refuses: Whether the command refuses by design what an earlier one finished.
    """

    command: Command
    before: tuple[Command, ...] = ()
    refuses: bool = False


def _split(text: str) -> Command:
    return tuple(shlex.split(text))


_SHARDS = tuple((*RUN, "--shard", f"{index}/2") for index in (1, 2))
_ONE_METHOD = _split(
    "run --model net.onnx --method energy --benchmark road-anomaly-21 --data ra --out out --until evaluate"
)


JOBS: Mapping[str, Job] = {
    "run": Job(RUN),
    "run --keep-scores none": Job((*RUN, "--keep-scores", "none")),
    "run --overwrite": Job((*RUN, "--overwrite"), (_ONE_METHOD,)),
    "run --shard": Job(_SHARDS[0]),
    "merge": Job(_split("merge out"), _SHARDS),
    "evaluate --protocol": Job(_split("evaluate out --protocol smiyc --protocol caos"), (RUN,)),
    "evaluate --scores": Job(
        _split("evaluate --scores maps --anomalous higher --benchmark road-anomaly-21 --data ra --out out")
    ),
    "predict": Job(_split("predict photographs --model net.onnx --method msp --out out")),
    "report": Job(_split("report out --format html"), (RUN,)),
    "export": Job(_split("export out --method msp --out exported"), (RUN,)),
    "gate --accept": Job(_split("gate out --baseline baseline.json --accept"), (RUN,)),
    "convert": Job(_split("convert weights.pth --out out/weights.safetensors"), refuses=True),
    "train": Job(_split("train small.toml --plugin blocks.py --out out")),
    "data blend": Job(_split("data blend --frames photographs --out out --count 3"), refuses=True),
}
"""The commands that write, by the name of their row."""


class Kills:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._references: dict[str, tuple[Mapping[str, str], Outcome]] = {}

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        name = list(JOBS)[index % len(JOBS)]
        job = JOBS[name]
        expected, unbroken = self._reference(name)
        folder = self._material.begin(job.before)
        points = [random.randrange(max(1, unbroken.changes)) for _ in range(random.choice((1, 1, 2)))]
        if random.random() < 0.3:
            killed = [run_forked(job.command, folder, kill_after=random.uniform(0.02, 1.5))]
            detail = "killed after a while"
        else:
            killed = [run_forked(job.command, folder, kill_before=point) for point in points]
            detail = f"killed before change {' and '.join(map(str, points))} of {unbroken.changes}"
        again = run_forked(job.command, folder)
        found = read_content(folder)
        changed = differences(found, expected)[:5]
        yield Finding(name, self._judge(job, again, found, expected), f"{detail}; {changed}; {again.message}")
        for outcome in killed:
            if outcome.fault is not None:
                yield Finding(name, outcome.fault, f"{detail}, in the killed command: {outcome.stderr[-500:]}")

    def _judge(self, job: Job, again: Outcome, found: Mapping[str, str], expected: Mapping[str, str]) -> str:
        if again.fault is not None:
            return again.fault
        if again.code != 0 and not (job.refuses and again.code == 2 and found == expected):
            return "lost"
        if differences(found, expected):
            return "silent"
        return "leftover" if find_leftovers(self._material.trial) else "same bytes"

    def _reference(self, name: str) -> tuple[Mapping[str, str], Outcome]:
        """Return the files that an unbroken command writes, and how it ended."""
        if name not in self._references:
            job = JOBS[name]
            folder = self._material.begin(job.before)
            done = run_forked(job.command, folder)
            if done.code != 0:
                raise RuntimeError(f"{name}: {done.code}\n{done.stderr}")
            self._references[name] = (read_content(folder), done)
        return self._references[name]
