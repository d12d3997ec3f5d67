"""Brings files from one folder of a run into another."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.files import write_atomically
from oodbench.storage.local import LocalStore

SHARED = ("fits", "calibration", "quality")
"""What a folder of a run holds that does not depend on the piece in which it was made."""


def adopt(source: LocalStore, target: LocalStore, kinds: Iterable[str]) -> None:
    """Bring files that the target lacks from another folder of the same run: linked where one disk holds both.

    Raises:
        RunFolderError: the two hold different content under one name, or the target can't be written.
    """
    for path in sorted(path for kind in kinds for path in (source.folder / kind).glob("**/[!.]*") if path.is_file()):
        place = target.folder / path.relative_to(source.folder)
        if not place.exists():
            _link_or_copy(path, place)
        elif not (place.samefile(path) or place.read_bytes() == path.read_bytes() or _is_same_fit(path, place)):
            raise RunFolderError(
                f"{path} and {place} are of one run and differ",
                "Fit once and let all pieces take it from there: run with --until calibrate before the pieces "
                "(docs/run.md, 'In pieces'). Or one of the two was made on another processor, or is damaged.",
            )


def _is_same_fit(path: Path, place: Path) -> bool:
    """Whether two files hold the same fit, made in a different time."""
    if path.suffix != ".safetensors":
        return False
    fits = [LocalStore(file.parent.parent).fit(file.stem) for file in (path, place)]
    tensors, facts = zip(*((fit.tensors, {**fit.facts, "seconds": None}) for fit in fits if fit), strict=True)
    same = tensors[0].keys() == tensors[1].keys() and facts[0] == facts[1]
    return same and all(values.equal(tensors[1][name]) for name, values in tensors[0].items())


def _link_or_copy(path: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(path)
    except OSError:  # another disk, or one that knows no links
        with path.open("rb") as source:
            write_atomically(place, lambda file: shutil.copyfileobj(source, file))
