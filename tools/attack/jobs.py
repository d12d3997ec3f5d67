"""Commands that write files, and what an uninterrupted one writes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

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
    "run --keep-scores measurements": Job((*RUN, "--keep-scores", "measurements")),
    "run --memory 1": Job((*RUN, "--keep-scores", "none", "--memory", "1")),
    "run --executor ray": Job((*RUN, *_split("--executor ray --workers 1 --threads 1"))),
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


class Repetitions:
    """Comparison of a disturbed command that is repeated with an uninterrupted one.

    Args:
        material: The inputs.
    """

    def __init__(self, material: Material) -> None:
        self._material = material
        self._references: dict[str, tuple[Mapping[str, str], Outcome]] = {}

    def reference(self, name: str) -> tuple[Mapping[str, str], Outcome]:
        """Return the files that an uninterrupted command writes, and how it ended. It replaces the trial's folder."""
        if name not in self._references:
            job = JOBS[name]
            folder = self._material.begin(job.before)
            done = run_forked(job.command, folder)
            if done.code != 0:
                raise RuntimeError(f"{name}: {done.code}\n{done.stderr}")
            self._references[name] = (read_content(folder), done)
        return self._references[name]

    def repeat(self, name: str, subject: str, detail: str, right: str = "same bytes") -> Finding:
        """Repeat a command in the trial's folder, and compare its files with those of an uninterrupted one.

        Args:
            name: Name of the command. Its reference must have been made before the trial.
            subject: Subject of the finding.
            detail: What was done before.
            right: Verdict if the files are equal.
        """
        job, (expected, _) = JOBS[name], self.reference(name)
        again = run_forked(job.command, self._material.trial)
        changed = differences(read_content(self._material.trial), expected)
        if again.fault is not None:
            verdict = again.fault
        elif again.code != 0 and not (job.refuses and again.code == 2 and not changed):
            verdict = "lost"
        elif changed:
            verdict = "silent"
        else:
            verdict = "leftover" if find_leftovers(self._material.trial) else right
        return Finding(subject, verdict, f"{detail}; again: {changed[:5]} {again.message}")
