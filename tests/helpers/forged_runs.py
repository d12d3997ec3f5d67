"""Changes of a stored run with valid digests, as a forger makes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oodbench.contracts import Result
from oodbench.runs.load import load
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import result_key
from oodbench.storage.local import LocalStore
from tests.helpers.stored import forge


def edit_plan(folder: Path, **changes: Any) -> None:
    """Change fields of plan.json."""
    record = load(folder).record
    RunArtifacts(LocalStore(folder)).write_plan(record.model_copy(update=changes))


def edit_results(folder: Path, edit: Callable[[Result], Result], *, files: bool = True) -> None:
    """Change each result: in result.json and, with `files`, in results/, too."""
    run, artifacts = load(folder), RunArtifacts(LocalStore(folder))
    results = {}
    for name, part in run.content.results.items():
        results[name] = [edit(result) for result in part]
        for before, after in zip(part, results[name], strict=True) if files else ():
            scorer = run.record.scorer(before.network, before.label)
            key = result_key(run.record, scorer, run.record.benchmark(before.benchmark), before.protocol)
            artifacts.write_result(key, after)
    artifacts.write_results_file(run.content.model_copy(update={"results": results}))


def edit_result_file(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of result.json in place, whether it remains valid or not."""
    path = folder / "result.json"
    content = json.loads(path.read_text())
    edit(content)
    forge(folder, path, json.dumps(content))
