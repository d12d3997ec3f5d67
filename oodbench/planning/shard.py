"""Shards of a run. Each scores its share of the batches in its own folder.

    OUT/shards/<i>-of-<n>/     the folder of a run that stops after scoring

A shard never splits a batch. Results are computed from all maps together (workflows.merge), by the code of a run
without shards. Therefore the results are bit-identical for any number of shards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """A shard of a run.

    Attributes:
        index: The number of the shard, from 1 to `count`.
        count: The number of shards.
    """

    index: int
    count: int

    @staticmethod
    def of(text: str) -> Shard:
        """Parse `i/n`.

        Raises:
            ValueError: The text has another form, or i is not between 1 and n.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError("expected 'auto' or i/n, with i from 1 to n: 1/4 is the first of four shards")
        return Shard(int(match[1]), int(match[2]))

    @property
    def folder(self) -> str:
        """The name of the shard's folder: `i-of-n`."""
        return f"{self.index}-of-{self.count}"

    @staticmethod
    def of_folder(name: str) -> Shard | None:
        """Return the shard whose folder has this name; None if it is another folder."""
        try:
            shard = Shard.of(name.replace("-of-", "/"))
        except ValueError:
            return None
        return shard if shard.folder == name else None

    def takes(self, batch: int) -> bool:
        """Return whether the batch with this index, from 0, belongs to the shard."""
        return batch % self.count == self.index - 1
