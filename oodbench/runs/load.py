"""Loading of a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.planning.one_or_more import Data, OneOrMore
from oodbench.planning.records import PHOTOGRAPHS
from oodbench.planning.request import validate_protocol_names
from oodbench.runs.access import RunAccess
from oodbench.runs.run import Run
from oodbench.storage.open_store import open_store


def load(
    folder: str | Path,
    protocols: Sequence[str] = (),
    *,
    plugins: OneOrMore = (),
    trust: bool = False,
    data: Data = (),
    id_data: Data = (),
) -> Run:
    """Load the run in a folder.

    Code that only the run names is not run: plugins, and networks in Python. Results and score maps need none of it.
    Whatever needs it raises an `UntrustedCodeError`, which names the file.

    Args:
        folder: The folder of a run, or another location that `open_store` accepts.
        protocols: Names of the protocols (rules of evaluation) whose results are shown. Empty: those of the run.
        plugins: Python files with your own plugins. A plugin of the run is used if it is one of these files, or has the
            same content.
        trust: Whether to run all code that the run names. Pass True only if you trust the author of the run.
        data: Folders that contain the benchmarks now, or a mapping from names of benchmarks to folders. They are
            searched before the folders that the run recorded. Empty: the recorded folders and, for a benchmark that is
            no longer there, the environment variable OODBENCH_DATA or your config file.
        id_data: The same for the in-distribution datasets. Empty: the folders in `data`.

    Returns:
        The run. Results, score maps and frames are read when they are asked for. Frames are compared with the digests
        (hashes) that the run recorded.

    Raises:
        RunFolderError: The folder contains no run.
        UnknownNameError: There is no protocol, or no benchmark or dataset in NAME=DIR, of that name.
        PluginError: A file in `plugins` can't be used.
        DataError: A folder in `data` or `id_data` does not exist.

    Examples:
        >>> import oodbench
        >>> _ = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> list(oodbench.load("run").table()["label"])
        ['MSP']
    """
    validate_protocol_names(protocols)
    store = open_store(folder)
    access = RunAccess.of(plugins, trust, data, id_data)
    run = Run(store, tuple(protocols), access)
    if [part.name for part in run.record.benchmarks] == [PHOTOGRAPHS]:
        raise RunFolderError(
            f"{folder}: contains predictions for photographs, which have no labels; expected a run",
            f"For frames of a benchmark, run: oodbench evaluate --scores {store.image_scores or 'DIR'} "
            "--benchmark NAME",
        )
    if access.plugins:
        run.registry.check_files()
    access.check_roots(run.registry)
    return run
