"""Signals and closed outputs, sent to commands that run in a separate process.

Correct: an exit code that says what happened, no traceback, and the same bytes when the command is repeated.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from tools.attack.content import differences, read_content
from tools.attack.jobs import JOBS, Job, Repetitions
from tools.attack.ledger import Finding
from tools.attack.material import Material
from tools.attack.process import Outcome, run_process

_DONE, _MISTAKE, _STOPPED, _INTERRUPTED, _CLOSED, _TERMINATED = 0, 2, 75, 130, 141, 143
_CODES: Mapping[tuple[int, ...], set[int]] = {
    (signal.SIGINT,): {_DONE, _INTERRUPTED},
    (signal.SIGTERM,): {_DONE, _TERMINATED, _STOPPED},
    (signal.SIGUSR1,): {_DONE, _STOPPED},
    (signal.SIGINT, signal.SIGINT): {_DONE, _INTERRUPTED},
    (signal.SIGTERM, signal.SIGTERM): {_DONE, _TERMINATED, _STOPPED},
    (signal.SIGUSR1, signal.SIGTERM): {_DONE, _STOPPED, _TERMINATED},
}
"""Exit codes that are right after these signals. A signal before Python installed its handlers ends the process."""

_OUTPUTS = ("closed pipe", "full device", "closed stdout", "closed stderr", "ascii")
_SIGNALLED = ("run", "evaluate --scores", "predict", "report", "train", "data blend")
_PRINTING = ("report", "gate --accept", "evaluate --scores", "run")


class Signals:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material, self._repetitions = material, Repetitions(material)

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        if index % 3 == 2:
            yield self._close_output(random)
            return
        name = random.choice(_SIGNALLED)
        job, numbers = JOBS[name], random.choice(list(_CODES))
        self._repetitions.reference(name)
        folder = self._material.begin(job.before)
        at = random.uniform(1.0, 6.0)
        sent = {at + 0.05 * order: number for order, number in enumerate(numbers)}
        outcome = run_process(job.command, folder, signals=sent)
        names = "+".join(signal.Signals(number).name for number in numbers)
        detail = f"{names} after {at:.2f} s: code {outcome.code}; {outcome.stderr[-300:]}"
        subject = f"{name}: {names}"
        early = outcome.code in {-number for number in numbers} and not outcome.stderr
        if outcome.fault is not None:
            yield Finding(subject, outcome.fault, detail)
            return
        if outcome.code not in _CODES[numbers] and not early:
            yield Finding(subject, "wrong code", detail)
            return
        yield self._repetitions.repeat(name, subject, detail, right=f"code {outcome.code}")

    def _close_output(self, random: Random) -> Finding:
        name, how = random.choice(_PRINTING), random.choice(_OUTPUTS)
        job = JOBS[name]
        expected, _ = self._repetitions.reference(name)
        folder = self._material.begin(job.before)
        outcome = _run_with_output(job, folder, how)
        subject, detail = f"{name}: {how}", f"code {outcome.code}; {outcome.stderr[-500:]}"
        right = {"closed pipe": {_DONE, _CLOSED}, "full device": {_DONE, _MISTAKE}}.get(how, {_DONE})
        if outcome.fault is not None:
            return Finding(subject, outcome.fault, detail)
        if outcome.code not in right:
            return Finding(subject, "wrong code", detail)
        if outcome.code == _DONE and differences(read_content(folder), expected):
            return Finding(subject, "silent", detail)
        return Finding(subject, f"code {outcome.code}", detail)


def _run_with_output(job: Job, folder: Path, how: str) -> Outcome:
    """Run a command whose standard output or standard error can't be used."""
    if how == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        try:
            return run_process(job.command, folder, stdout=writer)
        finally:
            os.close(writer)
    if how == "full device":
        with open("/dev/full", "w") as full:
            return run_process(job.command, folder, stdout=full)
    if how == "ascii":
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
        return run_process(job.command, folder, env=os.environ | plain)
    descriptor = 1 if how == "closed stdout" else 2
    streams: dict[str, Any] = {"stdout" if descriptor == 1 else "stderr": subprocess.DEVNULL}
    return run_process(job.command, folder, preexec_fn=lambda: os.close(descriptor), **streams)
