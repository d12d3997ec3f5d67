"""Reading of the records of a run without numpy, so that commands that only need them start at once."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from oodbench.errors import RunFolderError
from oodbench.planning.records import PlanRecord
from oodbench.storage.keys import PLAN, Key
from oodbench.storage.run_store import RunStore

_Record = TypeVar("_Record", bound=BaseModel)


def read_plan(store: RunStore) -> PlanRecord | None:
    """Return the plan of a run; None if there is none.

    Raises:
        RunFolderError: The plan is damaged, or was written by another version.
    """
    if not store.has(PLAN):
        return None
    remedy = "Use the version that wrote it, or start from scratch with --overwrite."
    return read_record(store, PLAN, PlanRecord, "a plan", remedy)


def read_record(store: RunStore, key: Key, kind: type[_Record], noun: str, remedy: str) -> _Record:
    """Return a record that is stored as JSON.

    Args:
        store: The store of the run.
        key: The key of the record.
        kind: The class of the record.
        noun: The record's name in an error, such as "a plan".
        remedy: The remedy in an error.

    Raises:
        RunFolderError: The record is damaged, or was written by another version.
    """
    try:
        # pydantic's own parser refuses paths that are not valid UTF-8.
        return kind.model_validate(json.loads(store.read(key)))
    except ValidationError as error:
        reason = f"{error.error_count()} fields don't fit"
    except (ValueError, RecursionError) as error:
        reason = f"not JSON: {error}"
    raise RunFolderError(f"{store.name(key)}: not {noun} of this version of oodbench ({reason})", remedy)


def no_run(store: RunStore) -> RunFolderError:
    """Return the error for a store without a plan."""
    return RunFolderError(
        f"{store.location}: no run in this folder; expected a folder with a plan.json",
        "Give the folder of a run, which 'oodbench run' prints.",
    )
