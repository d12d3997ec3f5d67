"""Writer of the table of known copies, by which `oodbench data verify` recognises a copy of a benchmark.

    python -m tools.known_copies BENCHMARK DIR --name NAME --source URL

The copy in DIR is added to oodbench/data/known_copies/BENCHMARK.json, or replaces the copy of the same name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from oodbench.contracts import Roots
from oodbench.data.known_copies.table import COPIES, DIGEST_LENGTH, KnownCopy, list_known_copies
from oodbench.planning.frame_index import index_frames
from oodbench.progress import Silent
from oodbench.registry import Registry

TABLE = Path(__file__).parents[1] / "oodbench" / "data" / "known_copies"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--source", required=True)
    given = parser.parse_args()
    found = Registry().benchmark(given.benchmark).open(Roots((given.folder,)))
    records = index_frames(found.frames, given.benchmark, Silent(), cached=False)
    copy = KnownCopy(given.name, given.source, {record.id: record.digest[:DIGEST_LENGTH] for record in records})
    others = [other for other in list_known_copies(given.benchmark) if other.name != given.name]
    (TABLE / f"{given.benchmark}.json").write_bytes(COPIES.dump_json((*others, copy), indent=1) + b"\n")


if __name__ == "__main__":
    main()
