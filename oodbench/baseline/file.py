"""Reads result.json and baselines; writes baselines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from oodbench.baseline.records import BASELINE_SCHEMA, Baseline, BenchmarkRecord, FitRecord, Measurement, RowRecord
from oodbench.contracts import FailedBenchmark, Result
from oodbench.contracts.result import RESULT_SCHEMA
from oodbench.errors import BaselineError, OodbenchError, RunFolderError
from oodbench.files import write_atomically
from oodbench.validation import explain

_AGAIN = "Run the same 'oodbench run' again, with the version of oodbench that is to be judged."
_PHRASES = 5
_RECORDS = (Baseline, Measurement, BenchmarkRecord, RowRecord, FitRecord)
_KNOWN = tuple(name for record in _RECORDS for name in record.model_fields)


class _Result(BaseModel):
    """The part of result.json that is read."""

    results: dict[str, list[Result]]
    failed: list[FailedBenchmark]


def read_rows(folder: Path) -> list[Result]:
    """The rows of the run in this folder, from its result.json alone.

    Raises:
        RunFolderError: there is none, it is damaged or of another version, or it has no rows.
    """
    path = folder / "result.json"
    absent = RunFolderError(
        f"{folder}: no result.json in this folder",
        "Expected the folder of a run that was evaluated; run the same 'oodbench run' again to go on with one.",
    )
    content = _json_object(path, absent, _AGAIN)
    try:
        file = _Result.model_validate(content)
    except ValidationError as error:
        raise RunFolderError(f"{path}: {_explained(error)}", _AGAIN) from None
    if file.failed:
        raise RunFolderError(f"{path}: {file.failed[0]}", "Fix it and run the same 'oodbench run' again.")
    rows = [result for results in file.results.values() for result in results]
    others = {str(row.schema_version) for row in rows if row.schema_version != RESULT_SCHEMA}
    if others:
        raise RunFolderError(
            f"{path}: results of schema_version {', '.join(others)}; this version of oodbench reads {RESULT_SCHEMA}",
            _AGAIN,
        )
    if not rows:
        raise RunFolderError(f"{path}: no rows", "Run again with a benchmark whose labels are public.")
    return rows


def read_result(folder: Path) -> Measurement:
    """What the run in this folder measured, from its result.json alone.

    Raises:
        RunFolderError: as `read_rows`, or its rows are not of one run.
    """
    return measurement(folder, read_rows(folder))


def measurement(folder: Path, rows: Sequence[Result]) -> Measurement:
    """What these rows of the run in this folder measured; raises as `read_result`."""
    path = folder / "result.json"
    try:
        measured = _measurement(path, rows)
    except ValidationError as error:
        raise RunFolderError(f"{path}: {_explained(error)}", _AGAIN) from None
    if measured.repeated():
        raise RunFolderError(
            f"{path}: two rows for {'; '.join(measured.repeated())}",
            "Evaluate again with each protocol once: oodbench evaluate RUN --protocol NAME",
        )
    return measured


def _measurement(path: Path, rows: Sequence[Result]) -> Measurement:
    scoring = _one_each(path, (("scoring", row.scoring.record()) for row in rows))
    protocols = _one_each(path, ((row.protocol.name, row.protocol.record()) for row in rows))
    sets = {"frames": "counts", "data": "digests"}
    benchmarks = _one_each(
        path, ((row.benchmark, {name: getattr(row, field).get(name) for name, field in sets.items()}) for row in rows)
    )
    return Measurement.model_validate(
        {
            "scoring": scoring["scoring"],
            "protocols": {
                name: {field: value for field, value in protocol.items() if field not in ("name", "source")}
                for name, protocol in sorted(protocols.items())
            },
            "benchmarks": dict(sorted(benchmarks.items())),
            "rows": tuple(map(_row, rows)),
        }
    )


def _row(row: Result) -> dict[str, Any]:
    fit = {name: row.fit.get(name) for name in FitRecord.model_fields} if row.fit else None
    same = ("network", "label", "benchmark", "method", "params", "metrics", "undefined")
    facts = {name: getattr(row, name) for name in same}
    return {**facts, "protocol": row.protocol.name, "fit": fit}


def _one_each(path: Path, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """name -> its fact, where all rows say the same of it."""
    found: dict[str, Any] = {}
    for name, fact in pairs:
        if found.setdefault(name, fact) != fact:
            raise RunFolderError(
                f"{path}: results of one run differ about {name}: {json.dumps(found[name])} and {json.dumps(fact)}",
                "The results are of several runs; run again with a separate --out.",
            )
    return found


def read_baseline(path: Path) -> Baseline:
    """The baseline in this file.

    Raises:
        BaselineError: there is none, it is damaged, or of another version.
    """
    anew = f"Bring back a whole one, or make it anew: oodbench gate RUN --baseline {path} --accept"
    absent = BaselineError(
        f"{path}: no baseline there",
        f"Make one from a run that is good enough: oodbench gate RUN --baseline {path} --accept",
    )
    content = _json_object(path, absent, anew)
    version = content.get("schema_version", "missing")
    if version != BASELINE_SCHEMA:
        raise BaselineError(
            f"{path}: schema_version is {version}; this version of oodbench reads {BASELINE_SCHEMA}", anew
        )
    try:
        baseline = Baseline.model_validate(content)
    except ValidationError as error:
        raise BaselineError(f"{path}: {_explained(error)}", anew) from None
    if baseline.measured.repeated():
        raise BaselineError(f"{path}: two rows for {'; '.join(baseline.measured.repeated())}", anew)
    return baseline


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Create or replace the file, and its folder where it is missing. It is whole, old or new, at any time.

    Raises:
        BaselineError: it can't be written.
    """
    text = json.dumps(baseline.model_dump(mode="json", exclude_defaults=True), indent=1, allow_nan=False)
    try:
        write_atomically(path, lambda file: file.write(f"{text}\n".encode()))
    except RunFolderError as error:
        raise BaselineError(error.problem, "Choose a file that can be written with --baseline.") from None


def _json_object(path: Path, absent: OodbenchError, remedy: str) -> dict[str, Any]:
    """The file's content; other errors than `absent` are of the same kind and have this remedy."""
    kind = type(absent)
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise absent from None
    except OSError as error:
        raise kind(f"{path}: can't be read ({error.strerror})", remedy) from None
    except (ValueError, RecursionError) as error:
        raise kind(f"{path}: not JSON ({error})", remedy) from None
    if not isinstance(content, dict):
        raise kind(f"{path}: holds a {type(content).__name__}; expected an object", remedy)
    return content


def _explained(error: ValidationError) -> str:
    """The first few problems: a file of another version has one of a kind in each row."""
    phrases = explain(error, _KNOWN)
    more = f"; and {len(phrases) - _PHRASES} more" if len(phrases) > _PHRASES else ""
    return "; ".join(phrases[:_PHRASES]) + more
