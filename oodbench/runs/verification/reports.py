"""Check of the tables in report/: they are written again and compared."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from oodbench.contracts import Report, metrics_of
from oodbench.errors import OodbenchError
from oodbench.runs.hidden_labels import describe_hidden_labels
from oodbench.runs.run import Run
from oodbench.runs.verification.check import VerificationCheck, not_checked, right, wrong
from oodbench.runs.verification.subject import Subject
from oodbench.storage.keys import RESULTS_FILE


def check_reports(subject: Subject) -> Iterator[VerificationCheck]:
    """Check each text file in report/ that a report of this version writes under this name."""
    run, folder = subject.run, subject.run.store.reports
    if (
        not run.store.has(RESULTS_FILE)
        or folder is None
        or not folder.is_dir()
        or not any(path.is_file() for path in folder.iterdir())
    ):
        return
    if version := subject.other_version():
        yield not_checked("report", f"oodbench {version} wrote the tables")
        return
    views = [replace(run, protocols=protocols) for protocols in _choose_protocols(run)]
    reports = [plugin() for plugin in run.registry.load_working("reports") if plugin.card.text]
    for report in reports:
        yield from _check_report(subject, report, views, folder)


def list_unchecked(subject: Subject) -> list[str]:
    """Return the names of all files and folders in report/ that `check_reports` has not compared."""
    folder = subject.run.store.reports
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.name not in subject.tables)


def _choose_protocols(run: Run) -> list[tuple[str, ...]]:
    """Return the selections of protocols under which a table can have been written: those of the run first."""
    names = tuple(run.content.results)
    return list(dict.fromkeys([(), names, *((name,) for name in names)]))


def _check_report(subject: Subject, report: Report, views: Sequence[Run], folder: Path) -> Iterator[VerificationCheck]:
    first: dict[str, str] = {}
    for view in views:
        with TemporaryDirectory() as scratch:
            try:
                files = report.write(view, Path(scratch))
            except OodbenchError as error:
                yield not_checked(f"report {report.card.name}", f"it can't be written again: {error.problem}")
                return
            stored = [(path, folder / path.name) for path in files if (folder / path.name).is_file()]
            subject.tables.update(path.name for path, _ in stored)
            for path, old in stored:
                difference = _compare_files(old, path, view)
                if difference is None:
                    yield right(f"report/{path.name}", "equal to the table of result.json")
                    return
                first.setdefault(path.name, difference)
            if not stored:
                return
    for name, difference in first.items():
        yield wrong(f"report/{name}", difference)


def _compare_files(stored: Path, again: Path, run: Run) -> str | None:
    """Return the first difference between a stored table and the one that was written again; None if they are equal."""
    # These notes name the folder of the run.
    moving = set(map(_squeeze, describe_hidden_labels(run.record, run.content, run.artifacts)))
    try:
        lines = [_read_lines(path) for path in (stored, again)]
    except (OSError, ValueError) as error:
        return f"it can't be read ({error})"
    for number, (old, new) in enumerate(zip_longest(*lines), start=1):
        if old != new and not any(note in _squeeze(new or "") for note in moving):
            return f"line {number} has {_crop(old, new)!r}; the results give {_crop(new, old)!r}"
    return None


def _squeeze(text: str) -> str:
    """Return a text with single spaces, as formats without lines write it."""
    return " ".join(text.split())


def _crop(line: str | None, other: str | None) -> str:
    """Return the part of a line around its first difference to another one."""
    text, reference = line or "", other or ""
    same = next((i for i, (a, b) in enumerate(zip(text, reference, strict=False)) if a != b), len(reference))
    start = max(same - 20, 0)
    return text[start : start + 60]


def _read_lines(path: Path) -> list[str]:
    """Return the lines of a table, in CSV and JSON without the costs, which each evaluation measures again."""
    text = path.read_text(encoding="utf-8")
    costs = {spec.name for spec in metrics_of("cost")}
    if path.suffix == ".json":
        return [line for line in text.splitlines() if not any(f'"{name}":' in line for name in costs)]
    if path.suffix != ".csv":
        return text.splitlines()
    head, *rows = csv.reader(text.splitlines())
    kept = [index for index, name in enumerate(head) if name not in costs]
    return [",".join(row[index] for index in kept if index < len(row)) for row in [head, *rows]]
