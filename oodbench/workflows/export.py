"""Export of a run's stored score maps: files that are named by the frames' ids, for other programs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from oodbench.errors import NotStoredError, RunFolderError, UsageError
from oodbench.files import write_atomically
from oodbench.planning.records import FrameSetRecord
from oodbench.progress import Progress, Silent
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.storage.keys import score_key
from oodbench.types import ScoreMap
from oodbench.workflows.scorer_choice import find_scorer


def export_scores(
    run: Run | str | Path,
    out: str | Path,
    *,
    method: str | None = None,
    network: str | None = None,
    benchmark: str | None = None,
    progress: Progress | None = None,
) -> Sequence[Path]:
    """Write the stored score maps of a method as one file per frame, as `oodbench export` does.

    The files are named `ID.npy` after the ids of the frames, in the layout that `evaluate_scores` reads. Each contains
    float32 [H, W] at the size of the labels, higher = more anomalous.

    Args:
        run: A run whose score maps are stored, or its folder.
        out: The folder for the files. Files that it already contains must have the same content.
        method: Name or label of the method; needed if the run has several methods.
        network: Name of the network; needed if the run has several networks.
        benchmark: Name of the benchmark; needed if the run has several benchmarks.
        progress: Callback for progress messages; None: silent.

    Returns:
        The files, in the order of the frames.

    Raises:
        UsageError: Several methods, networks or benchmarks match.
        UnknownNameError: The run has no method, network or benchmark of that name.
        NotStoredError: A score map of the run is not stored.
        RunFolderError: The folder contains other files of these names or is not writable, or there is no run.

    Examples:
        >>> import oodbench
        >>> run = oodbench.run(
        ...     models="streets-softmax", methods="msp", benchmarks="streets-anomaly", limit=1, id_limit=1,
        ...     stop_after="evaluate", out="run",
        ... )
        >>> [path.as_posix() for path in oodbench.export_scores(run, "maps")]
        ['maps/anomaly-0000.npy']
        >>> again = oodbench.evaluate_scores(
        ...     "maps", "streets-anomaly", anomalous="higher", limit=1, stop_after="evaluate", out="again"
        ... )
        >>> again.results[0].metrics == run.results[0].metrics
        True
    """
    source = run if isinstance(run, Run) else load(run)
    scorer, part = find_scorer(source, method, network), _find_benchmark(source, benchmark)
    keys = {frame.id: score_key(scorer.key, frame.key) for frame in part.frames}
    missing = [identity for identity, key in keys.items() if not source.store.has(key)]
    if missing:
        raise NotStoredError(
            f"{source.location}: {len(missing)} of {len(keys)} score maps of {scorer.label} on {part.name} are not "
            f"stored; the first is {missing[0]}",
            "Run again with --keep-scores all.",
        )
    paths = [_path(Path(out), identity) for identity in keys]
    for path, key in zip(paths, keys.values(), strict=True):
        if path.exists() and path.read_bytes() != _encode(source.artifacts.map(key)):
            raise RunFolderError(f"{path}: contains another score map", "Choose a new or empty folder with --out.")
    with (progress or Silent()).track(f"export {scorer.label}", len(keys), "score maps") as advance:
        for path, key in zip(paths, keys.values(), strict=True):
            write_atomically(path, partial(_write, source.artifacts.map(key)))
            advance(1)
    return paths


def _find_benchmark(run: Run, name: str | None) -> FrameSetRecord:
    benchmarks = run.record.benchmarks
    if name is None and len(benchmarks) > 1:
        raise UsageError(
            f"{run.location}: has several benchmarks: {', '.join(part.name for part in benchmarks)}",
            "Choose one with --benchmark.",
        )
    return benchmarks[0] if name is None else run.record.benchmark(name)


def _path(folder: Path, identity: str) -> Path:
    """Return the file of a frame. An id with slashes is a file in subfolders."""
    path = folder / f"{identity}.npy"
    if not path.absolute().is_relative_to(folder.absolute()) or ".." in Path(identity).parts:
        raise UsageError(f"the frame id {identity!r} leads out of {folder}", "Rename the frame in its benchmark.")
    return path


def _write(values: ScoreMap, file: IO[bytes]) -> None:
    np.save(file, values, allow_pickle=False)


def _encode(values: ScoreMap) -> bytes:
    file = io.BytesIO()
    _write(values, file)
    return file.getvalue()
