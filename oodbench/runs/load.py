"""Loading of a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.errors import RunFolderError
from oodbench.planning.records import PHOTOGRAPHS
from oodbench.planning.request import validate_protocol_names
from oodbench.runs.run import Run
from oodbench.storage.open_store import open_store


def load(folder: str | Path, protocols: Sequence[str] = ()) -> Run:
    """Load the run in a folder.

    Args:
        folder: The folder of a run, or another location that `open_store` accepts.
        protocols: Names of the protocols (rules of evaluation) whose results are shown. Empty: those of the run.

    Returns:
        The run. Results and score maps are read when they are asked for.

    Raises:
        RunFolderError: The folder contains no run.
        UnknownNameError: There is no protocol of that name.

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
    run = Run(store, tuple(protocols))
    if [part.name for part in run.record.benchmarks] == [PHOTOGRAPHS]:
        raise RunFolderError(
            f"{folder}: contains predictions for photographs, which have no labels; expected a run",
            f"For frames of a benchmark, run: oodbench evaluate --scores {store.image_scores or 'DIR'} "
            "--benchmark NAME",
        )
    return run
