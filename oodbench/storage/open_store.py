"""The store of a run, found by its location. New kinds of stores are registered here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oodbench.files import expand_home
from oodbench.storage.local import LocalStore
from oodbench.storage.run_store import RunStore

STORES: dict[str, Callable[[str], RunStore]] = {}
"""Maps a prefix to the function that opens a store of this kind. The function receives the location after `PREFIX:`.

A prefix has at least two letters, because one letter is a drive on Windows. The attribute `RunStore.location` of an
opened store must include the prefix, so that it opens the same store again.
"""


def open_store(location: str | Path) -> RunStore:
    """Open the store at a location. Nothing is read or written, and the store may be empty.

    Args:
        location: The path of a folder, or `PREFIX:LOCATION` with a prefix in `STORES`. An absolute path is always a
            folder.
    """
    prefix, _, rest = str(location).partition(":")
    return STORES[prefix](expand_home(rest)) if rest and prefix in STORES else LocalStore(expand_home(location))
