"""One shard of a run: its share of the batches, in a folder of its own.

    OUT/shards/<i>-of-<n>/     a run's folder that stops after scoring

A shard never cuts a batch, and results are computed from all maps at once (workflows.merge), by the code that a whole
run uses. So the numbers are those of one process, to the last digit, whatever the number of shards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SHARDS = "shards"
"""The folder of the shards within that of the run."""


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
