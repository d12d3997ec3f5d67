"""Bring artifacts of one store of a run into another."""

from __future__ import annotations

from collections.abc import Iterable

from oodbench.errors import RunFolderError
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, Kind


def adopt(source: RunArtifacts, target: RunArtifacts, kinds: Iterable[Kind]) -> None:
    """Copy artifacts that the target lacks from another store of the same run.

    Raises:
        RunFolderError: The two hold different content under one name, or the target can't be written.
    """
    missing = []
    for kind in kinds:
        for key in source.store.keys(kind):
            if not target.store.has(key):
                missing.append(key)
            elif not _is_same(source, target, key):
                raise RunFolderError(
                    f"{source.store.name(key)} and {target.store.name(key)} are of one run and differ",
                    "Fit once and let all shards take it from there: run with --stop-after calibrate before the "
                    "shards (docs/run.md, 'In shards'). Or one of the two was made on another processor, or is "
                    "damaged.",
                )
    target.store.copy_from(source.store, missing)


def _is_same(source: RunArtifacts, target: RunArtifacts, key: Key) -> bool:
    """Whether both hold the same content, or the same fit made in a different time."""
    if target.store.is_same(source.store, key):
        return True
    if key.kind is not Kind.FIT:
        return False
    first, second = (artifacts.fit(key) for artifacts in (source, target))
    if first is None or second is None:
        return False
    facts = [{**fit.facts, "seconds": None} for fit in (first, second)]
    same = first.tensors.keys() == second.tensors.keys() and facts[0] == facts[1]
    return same and all(values.equal(second.tensors[name]) for name, values in first.tensors.items())
