"""A run in pieces: each scores its share of the batches in a folder of its own.

    OUT/shards/<i>-of-<n>/     a run's folder that stops after scoring

A piece never cuts a batch, and rows are computed from all maps at once (pipeline.merge), by the code that a whole run
uses. So the numbers are those of one process, to the last digit, whatever the number of pieces.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.files import write_atomically
from oodbench.pipeline.store import Store

SHARDS = "shards"
SHARED = ("fits", "calibration", "quality")
"""What a folder of a run holds that does not depend on the piece in which it was made."""


@dataclass(frozen=True)
class Shard:
    """The piece `index` (1 to `count`) of `count`."""

    index: int
    count: int

    @staticmethod
    def of(text: str) -> Shard:
        """From `i/n`.

        Raises:
            ValueError: it is not that, or i is not between 1 and n.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError("expected i/n, with i from 1 to n: 1/4 is the first of four pieces")
        return Shard(int(found[1]), int(found[2]))

    def takes(self, batch: int) -> bool:
        """Whether the batch with this number, from 0, belongs to the piece."""
        return batch % self.count == self.index - 1

    def folder(self, out: Path) -> Path:
        """Its own folder within that of the run."""
        return out / SHARDS / f"{self.index}-of-{self.count}"


def adopt(source: Store, target: Store, kinds: Iterable[str]) -> None:
    """Bring files that the target lacks from another folder of the same run: linked where one disk holds both.

    Raises:
        RunFolderError: the two hold different content under one name, or the target can't be written.
    """
    for path in sorted(path for kind in kinds for path in (source.folder / kind).glob("**/[!.]*") if path.is_file()):
        place = target.folder / path.relative_to(source.folder)
        if not place.exists():
            _link(path, place)
        elif not (place.samefile(path) or place.read_bytes() == path.read_bytes() or _same_fit(path, place)):
            raise RunFolderError(
                f"{path} and {place} are of one run and differ",
                "Fit once and let all pieces take it from there: run with --until calibrate before the pieces "
                "(docs/run.md, 'In pieces'). Or one of the two was made on another processor, or is damaged.",
            )


def _same_fit(path: Path, place: Path) -> bool:
    """Whether two files hold the same fit, made in a different time."""
    if path.suffix != ".safetensors":
        return False
    fits = [Store(file.parent.parent).fit(file.stem) for file in (path, place)]
    tensors, facts = zip(*((fit.tensors, {**fit.facts, "seconds": None}) for fit in fits if fit), strict=True)
    same = tensors[0].keys() == tensors[1].keys() and facts[0] == facts[1]
    return same and all(values.equal(tensors[1][name]) for name, values in tensors[0].items())


def _link(path: Path, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(path)
    except OSError:  # another disk, or one that knows no links
        with path.open("rb") as source:
            write_atomically(place, lambda file: shutil.copyfileobj(source, file))
