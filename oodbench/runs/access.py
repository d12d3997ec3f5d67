"""What a user adds to a stored run: the code that may run, and the folders in which the data is now."""

from __future__ import annotations

import filecmp
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from oodbench.contracts import Roots, Segmenter
from oodbench.data.folders import check_roots
from oodbench.errors import UntrustedCodeError
from oodbench.planning.one_or_more import Data, OneOrMore, as_paths, as_tuple
from oodbench.planning.records import PlanRecord, SegmenterRecord
from oodbench.planning.request import data_roots
from oodbench.planning.resolve import ModelSource, validate_named_roots
from oodbench.registry import Registry


@dataclass(frozen=True)
class RunAccess:
    """What a user adds to a stored run.

    Anyone can write the folder of a run. Therefore the plugins and the networks in Python that only its plan names are
    not run.

    Attributes:
        plugins: Plugin files that the user names. A plugin of the run is loaded if it is one of these files, or has the
            content of one.
        trust: Whether to run all code that the run names.
        data: Folders that are searched for benchmarks before the recorded ones; None: only the recorded ones.
        id_data: The same for in-distribution datasets.
        known: Registry of the process that made the run, also with benchmarks that were passed as objects; otherwise
            None.
    """

    plugins: tuple[Path, ...] = ()
    trust: bool = False
    data: Roots | None = None
    id_data: Roots | None = None
    known: Registry | None = None

    @staticmethod
    def of(plugins: OneOrMore = (), trust: bool = False, data: Data = (), id_data: Data = ()) -> RunAccess:
        """Return the access that these arguments of `load` describe, with absolute paths."""
        files = as_paths(plugins)
        specs, id_specs = as_tuple(data), as_tuple(id_data)
        if not specs and not id_specs:
            return RunAccess(files, trust)
        benchmarks, datasets = data_roots(specs, id_specs)
        return RunAccess(files, trust, benchmarks if specs else None, datasets)

    @staticmethod
    def of_process(registry: Registry) -> RunAccess:
        """Return the access of the process that makes a run: the user named all of its code."""
        return RunAccess(tuple(path.absolute() for path in registry.plugins), trust=True, known=registry)

    def add_plugins(self, files: Iterable[Path]) -> RunAccess:
        """Return the same access with more plugin files of the user."""
        return replace(self, plugins=(*self.plugins, *(file.absolute() for file in files)), known=None)

    def registry(self, *records: PlanRecord) -> Registry:
        """Return a registry with the plugins of the user and those of the runs with these plans."""
        if self.known is not None:
            return self.known
        loaded = list(dict.fromkeys(self.plugins))
        untrusted: list[Path] = []
        recorded = list(dict.fromkeys(file for record in records for file in record.plugins))
        stems = _find_stems(recorded, loaded)
        for file in recorded:
            if not any(_is_same_code(file, other) for other in loaded):
                (loaded if self.trust and file.is_file() else untrusted).append(file)
        return Registry(loaded, untrusted, stems)

    def check_roots(self, registry: Registry) -> None:
        """Check that the folders exist, and that the name in each NAME=DIR is that of a benchmark or dataset.

        Raises:
            DataError: A folder does not exist.
            UnknownNameError: A name belongs to no benchmark or dataset.
        """
        for roots in filter(None, (self.data, self.id_data)):
            check_roots([*roots.anywhere, *chain.from_iterable(roots.named.values())])
        if self.id_data is not None:
            validate_named_roots(self.data or Roots(), self.id_data, registry)

    def check_network(self, network: SegmenterRecord, registry: Registry) -> None:
        """Check that opening a network of a run runs no code that is not trusted.

        Raises:
            UntrustedCodeError: The network's file is a program, and the user does not trust the run.
        """
        if not (self.trust or registry.adapter(network.source).card.data_only):
            remedy = "If you trust its author, give --trust; in Python, oodbench.load(RUN, trust=True)."
            raise UntrustedCodeError(network.source, "--trust", remedy)

    def open_network(
        self, network: SegmenterRecord, registry: Registry, device: Literal["cpu", "cuda"] = "cpu"
    ) -> Segmenter:
        """Open a network of a run.

        Raises:
            UntrustedCodeError: The network's file is a program, and the user does not trust the run.
            OodbenchError: The network can't be opened.
        """
        self.check_network(network, registry)
        return ModelSource(network.source, network.card, network.checkpoint).open(registry, device)


NOTHING_ADDED = RunAccess()
"""Access to results, score maps and recorded folders; no code that the run names is run."""


def _is_same_code(recorded: Path, given: Path) -> bool:
    return recorded.is_file() and given.is_file() and filecmp.cmp(recorded, given, shallow=False)


def _find_stems(recorded: Sequence[Path], given: Sequence[Path]) -> dict[Path, str]:
    """Return the name, without suffix, of the recorded file that each given file with another name is a copy of.

    A recorded file that does not exist can't be compared. If there is one, and one given file is left, this file is
    taken for its copy. If it is not, its digest is not the recorded one under either name.
    """
    stems: dict[Path, str] = {}
    others = [file for file in given if file not in recorded]
    names = {file.name for file in others}
    for file in filter(Path.is_file, recorded):
        copies = [other for other in others if _is_same_code(file, other)]
        stems |= {copy: file.stem for copy in copies if copy.stem != file.stem}
        others = [other for other in others if other not in copies]
    absent = [file for file in recorded if not file.is_file() and file.name not in names]
    others = [other for other in others if other.name not in {file.name for file in recorded}]
    if len(absent) == len(others) == 1:
        stems[others[0]] = absent[0].stem
    return stems
