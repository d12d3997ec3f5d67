"""Record of the trials: one JSON line each, appended as soon as the trial is done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

FAULTS = ("silent", "traceback", "hang", "lost", "leftover", "wrong pairing", "other labels", "wrong code", "raw name")
"""Verdicts that are faults of oodbench. All others are right behaviour."""


@dataclass(frozen=True)
class Finding:
    """What a trial found.

    Attributes:
        subject: What was attacked, such as a verb or a kind of file: the row of the table.
        verdict: What happened, in a word or two: the column of the table.
        detail: What was done and what was seen, for the reader of the ledger.
    """

    subject: str
    verdict: str
    detail: str = ""


@dataclass(frozen=True)
class Trial:
    """One line of the ledger."""

    campaign: str
    seed: int
    index: int
    commit: str
    findings: tuple[Finding, ...]


class Ledger:
    """The file of the trials. A line that a kill cut off is skipped."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.trials = list(self._read()) if file.exists() else []
        self._done = {(trial.campaign, trial.seed, trial.index, trial.commit) for trial in self.trials}

    def has(self, campaign: str, seed: int, index: int, commit: str) -> bool:
        """Return whether a trial was done on this commit."""
        return (campaign, seed, index, commit) in self._done

    def add(self, campaign: str, seed: int, index: int, commit: str, findings: Iterable[Finding]) -> Trial:
        """Append a trial."""
        trial = Trial(campaign, seed, index, commit, tuple(findings))
        with self._file.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps(asdict(trial)))
        self.trials.append(trial)
        self._done.add((campaign, seed, index, commit))
        return trial

    def _read(self) -> Iterator[Trial]:
        for line in self._file.read_text(encoding="utf-8").splitlines():
            try:
                fields = json.loads(line)
                findings = tuple(Finding(**finding) for finding in fields.pop("findings"))
                yield Trial(**fields, findings=findings)
            except (ValueError, TypeError):
                continue
