"""Copying of artifacts between stores of the same run."""

from __future__ import annotations

from collections.abc import Iterable

from oodbench.errors import RunFolderError
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, Kind


def adopt(source: RunArtifacts, target: RunArtifacts, kinds: Iterable[Kind]) -> None:
    """Copy artifacts that are missing in the target from another store of the same run.

    Args:
        source: The artifacts to copy from.
        target: The artifacts to copy to.
        kinds: The kinds of artifacts to copy.

    Raises:
        RunFolderError: Both have different content under one key, or the target can't be written.
    """
    missing = []
    for kind in kinds:
        for key in source.store.keys(kind):
            if not target.store.has(key):
                missing.append(key)
            elif not _is_same(source, target, key):
                raise RunFolderError(
                    f"{source.store.name(key)} and {target.store.name(key)} belong to one run and differ",
                    "Fit once for all shards: run with --stop-after calibrate before the shards "
                    "(docs/how-to/cluster.md). Files can also differ because they were computed on different "
                    "processors or because one is damaged.",
                )
    target.store.copy_from(source.store, missing)


def _is_same(source: RunArtifacts, target: RunArtifacts, key: Key) -> bool:
    """Return whether both have the same content, or fits that differ only in their computation time."""
    if target.store.is_same(source.store, key):
        return True
    if key.kind is not Kind.FIT:
        return False
    first, second = (artifacts.fit(key) for artifacts in (source, target))
    if first is None or second is None:
        return False
    facts = [{**fit.facts, "seconds": None} for fit in (first, second)]
    equal_facts = first.tensors.keys() == second.tensors.keys() and facts[0] == facts[1]
    return equal_facts and all(values.equal(second.tensors[name]) for name, values in first.tensors.items())
