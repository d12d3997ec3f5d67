"""Check of all stored files against digests.jsonl, and the list of what no check covers."""

from __future__ import annotations

from collections.abc import Iterator

from oodbench.errors import OodbenchError
from oodbench.runs.verification.check import VerificationCheck, judge, not_checked
from oodbench.runs.verification.reports import list_unchecked
from oodbench.runs.verification.subject import Subject
from oodbench.storage.keys import Kind

UNRECORDED = "the rest"
"""Name of the check for everything that no check covers."""

# Digests themselves, files without a digest, and score maps, which the checks of scores read.
_SKIPPED = {Kind.DIGESTS, Kind.COST, Kind.SCORE}


def check_files(subject: Subject) -> VerificationCheck:
    """Check that each stored file, other than a score map, is as oodbench wrote it."""
    store = subject.run.artifacts.store
    keys = [key for kind in Kind if kind not in _SKIPPED for key in store.keys(kind)]

    def find_problems() -> Iterator[str]:
        for key in keys:
            try:
                store.read(key)
            except OodbenchError as error:
                yield error.problem

    said = (
        f"{len(keys)} files other than score maps are unchanged since they were written (digests.jsonl); this does not "
        "detect changes that were also made to digests.jsonl"
    )
    return judge("stored files", find_problems(), said)


def list_rest(subject: Subject) -> VerificationCheck:
    """Return what no check covers."""
    record = subject.record
    rest = ["times and memory", "the recorded environment"]
    if any(scorer.fits for scorer in record.scorers):
        rest.append("whether the stored fits were learned from the fit frames")
    if others := list_unchecked(subject):
        rest.append(f"files in report/ other than the tables above ({', '.join(others)})")
    return not_checked(UNRECORDED, "; ".join(rest))
