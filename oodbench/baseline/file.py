"""Files of the gate: reading of result.json and of baselines, and writing of baselines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from oodbench.baseline.records import BASELINE_SCHEMA, Baseline, BenchmarkRecord, FitRecord, MeasuredResults, RowRecord
from oodbench.contracts import FailedBenchmark, Result
from oodbench.contracts.result import RESULTS_FILE_SCHEMA, content_digest
from oodbench.errors import BaselineError, OodbenchError, RunFolderError
from oodbench.files import read_text, write_atomically
from oodbench.validation import explain

_AGAIN = "Run the same 'oodbench run' again, with the version of oodbench that is to be tested."
_PHRASES = 5
_RECORDS = (Baseline, MeasuredResults, BenchmarkRecord, RowRecord, FitRecord)
_KNOWN = tuple(name for record in _RECORDS for name in record.model_fields)


class _Result(BaseModel):
    """The part of result.json that the gate reads."""

    results: dict[str, list[Result]]
    failed: list[FailedBenchmark]


def read_rows(folder: Path) -> list[Result]:
    """Return the results of the run in this folder, read from its result.json only.

    Raises:
        RunFolderError: The file is missing, damaged or of another version, or it has no results.
    """
    path = folder / "result.json"
    absent = RunFolderError(
        f"{folder}: no result.json in this folder; expected the folder of an evaluated run",
        "Run the same 'oodbench run' again to resume an unfinished one.",
    )
    content = _read_object(path, absent, _AGAIN)
    _check_digest(path, content)
    try:
        file = _Result.model_validate(content)
    except ValidationError as error:
        raise RunFolderError(f"{path}: {_explain_first(error)}", _AGAIN) from None
    if file.failed:
        raise RunFolderError(f"{path}: {file.failed[0]}", "Fix it and run the same 'oodbench run' again.")
    results = [result for part in file.results.values() for result in part]
    if not results:
        raise RunFolderError(f"{path}: no results", "Run again with a benchmark that has public labels.")
    return results


def _check_digest(path: Path, content: Mapping[str, Any]) -> None:
    if content.get("schema_version") != RESULTS_FILE_SCHEMA:
        raise RunFolderError(
            f"{path}: schema_version is {content.get('schema_version', 'missing')}; this version of oodbench reads "
            f"{RESULTS_FILE_SCHEMA}",
            _AGAIN,
        )
    if content.get("digest") != content_digest(content):
        raise RunFolderError(f"{path}: damaged or edited: its digest is not that of its content", _AGAIN)


def read_result(folder: Path) -> MeasuredResults:
    """Return the measurement of the run in this folder, read from its result.json only.

    Raises:
        RunFolderError: As for `read_rows`, or its results are not of one run.
    """
    return measurement(folder, read_rows(folder))


def measurement(folder: Path, results: Sequence[Result]) -> MeasuredResults:
    """Return the measurement that consists of these results of the run in this folder.

    Args:
        folder: The folder of the run.
        results: The results.

    Raises:
        RunFolderError: The results are not valid, or not of one run.
    """
    path = folder / "result.json"
    try:
        measured = _measurement(path, results)
    except ValidationError as error:
        raise RunFolderError(f"{path}: {_explain_first(error)}", _AGAIN) from None
    if measured.repeated():
        raise RunFolderError(
            f"{path}: two results for {'; '.join(measured.repeated())}",
            "Evaluate again with each protocol once: oodbench evaluate RUN --protocol NAME",
        )
    return measured


def _measurement(path: Path, results: Sequence[Result]) -> MeasuredResults:
    scoring = _unique_facts(path, (("scoring", result.scoring.record()) for result in results))
    protocols = _unique_facts(path, ((result.protocol.name, result.protocol.record()) for result in results))
    sets = {"frames": "counts", "data": "digests"}
    benchmarks = _unique_facts(
        path,
        (
            (result.benchmark, {name: getattr(result, field).get(name) for name, field in sets.items()})
            for result in results
        ),
    )
    return MeasuredResults.model_validate(
        {
            "scoring": scoring["scoring"],
            "protocols": {
                name: {field: value for field, value in protocol.items() if field not in ("name", "source")}
                for name, protocol in sorted(protocols.items())
            },
            "benchmarks": dict(sorted(benchmarks.items())),
            "rows": tuple(map(_row_record, results)),
        }
    )


def _row_record(result: Result) -> dict[str, Any]:
    fit = {name: result.fit.get(name) for name in FitRecord.model_fields} if result.fit else None
    same = ("network", "label", "benchmark", "method", "params", "metrics", "undefined", "brackets")
    facts = {name: getattr(result, name) for name in same}
    return {**facts, "protocol": result.protocol.name, "fit": fit}


def _unique_facts(path: Path, pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return name -> fact; raise if the results of the run differ about a fact."""
    facts: dict[str, Any] = {}
    for name, fact in pairs:
        if facts.setdefault(name, fact) != fact:
            raise RunFolderError(
                f"{path}: results of one run differ about {name}: {json.dumps(facts[name])} and {json.dumps(fact)}",
                "Run again with a separate --out. The results in this file are of several runs.",
            )
    return facts


def read_baseline(path: Path) -> Baseline:
    """Read the baseline in this file.

    Raises:
        BaselineError: The file is missing, damaged or of another version.
    """
    remedy = f"Restore an intact baseline, or create it again: oodbench gate RUN --baseline {path} --accept"
    absent = BaselineError(
        f"{path}: no such baseline file",
        f"Create one from a run that is good enough: oodbench gate RUN --baseline {path} --accept",
    )
    content = _read_object(path, absent, remedy)
    version = content.get("schema_version", "missing")
    if version != BASELINE_SCHEMA:
        raise BaselineError(
            f"{path}: schema_version is {version}; this version of oodbench reads {BASELINE_SCHEMA}", remedy
        )
    try:
        baseline = Baseline.model_validate(content)
    except ValidationError as error:
        raise BaselineError(f"{path}: {_explain_first(error)}", remedy) from None
    if baseline.measured.repeated():
        raise BaselineError(f"{path}: two results for {'; '.join(baseline.measured.repeated())}", remedy)
    return baseline


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Create or replace the file atomically, and create its folder if it is missing.

    Raises:
        BaselineError: The file is not writable.
    """
    text = json.dumps(baseline.model_dump(mode="json", exclude_defaults=True), indent=1, allow_nan=False)
    try:
        write_atomically(path, lambda file: file.write(f"{text}\n".encode()))
    except RunFolderError as error:
        raise BaselineError(error.problem, "Choose a writable file with --baseline.") from None


def _read_object(path: Path, absent: OodbenchError, remedy: str) -> dict[str, Any]:
    """Return the content of a JSON file. Errors other than `absent` have its type and this remedy."""
    kind = type(absent)
    try:
        content = json.loads(read_text(path))
    except (FileNotFoundError, NotADirectoryError):
        raise absent from None
    except OSError as error:
        raise kind(f"{path}: can't be read ({error.strerror})", remedy) from None
    except (ValueError, RecursionError) as error:
        raise kind(f"{path}: not JSON ({error})", remedy) from None
    if not isinstance(content, dict):
        raise kind(f"{path}: contains a {type(content).__name__}; expected an object", remedy)
    return content


def _explain_first(error: ValidationError) -> str:
    """Return the first few problems: a file of another version has the same problem in each result."""
    phrases = explain(error, _KNOWN)
    more = f"; and {len(phrases) - _PHRASES} more" if len(phrases) > _PHRASES else ""
    return "; ".join(phrases[:_PHRASES]) + more
