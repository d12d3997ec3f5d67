"""The files of a run. Names are digests or names of the registry, never a string of the user's.

plan.json
fits/<scorer>.safetensors
calibration/<scorer>.npz          quality/<network>.json                  environments/<network>.json
scores/<scorer>/<frame>.npy       predictions/<network>/<frame>.npy       costs/<network>.jsonl
rows/<row>.json                   sketches/<row>.npz                      strata/<row>.json
result.json
report/                           tables and figures
shards/<i>-of-<n>/                pieces, each a folder like this one

`oodbench predict` alone names files by the user's photographs: maps/, heatmaps/, shares.csv.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import filelock
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from oodbench.contracts import Calibration, Fit, Result, Scoring
from oodbench.errors import NotStoredError, RunFolderError
from oodbench.files import cannot_write, write_atomically
from oodbench.metrics import Sketch, sketch_from
from oodbench.planning.records import PlanRecord

MAPS, HEATMAPS, SHARES = "maps", "heatmaps", "shares.csv"
"""What `oodbench predict` makes, by the photographs' names."""

_FOLDERS = (
    "fits", "calibration", "quality", "environments", "scores", "predictions", "costs", "rows", "sketches",
    "strata", "report", MAPS, HEATMAPS,
)  # fmt: skip

_DAMAGED = (OSError, ValueError, EOFError, BadZipFile)


def predictions_key(network_digest: str, scoring: Scoring) -> str:
    """The folder of a network's predicted classes.

    What is at its default is left out of the name, so that predictions stored before an option was added are found.
    """
    return "-".join([network_digest[:12], *({"upsample": scoring.upsample} | scoring.identity()).values()])


def _damage_error(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(f"{path}: damaged ({error})", "Remove the file and run the same command again.")


def read_fit(path: Path) -> Fit | None:
    """What a method learned; None where there is no such file.

    Raises:
        RunFolderError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get("facts", "{}"))
            return Fit({name: file.get_tensor(name) for name in file.keys()}, facts)  # noqa: SIM118  # no mapping
    except (SafetensorError, ValueError) as error:
        raise _damage_error(path, error) from None


class LocalStore:
    """Reads and writes one run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; it is let go when the process ends, however it ends.

        Raises:
            RunFolderError: another process holds it, or the folder can't be written.
        """
        lock = filelock.FileLock(self.folder / ".lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunFolderError(
                f"{self.folder}: another oodbench process is at work in this folder",
                "Wait for it, or choose another folder with --out.",
            ) from None
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        try:
            for left in self.folder.glob("**/.*.part"):  # of a process that was killed while it wrote
                left.unlink(missing_ok=True)
            yield
        finally:
            lock.release()

    def clear(self) -> None:
        """Remove what a run has written; files of anybody else stay."""
        for name in _FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("plan.json", "result.json", SHARES):
            (self.folder / name).unlink(missing_ok=True)

    # the plan, rows, results

    def plan(self) -> PlanRecord | None:
        """The plan in the folder; None where there is none."""
        path = self.folder / "plan.json"
        if not path.is_file():
            return None
        try:
            return PlanRecord.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise RunFolderError(
                f"{path}: not a plan of this version of oodbench ({error.error_count()} fields don't fit)",
                "Use the version that wrote it, or start anew with --overwrite.",
            ) from None

    def is_foreign(self) -> bool:
        """Whether the folder holds files, but no run nor pieces of one."""
        if not self.folder.exists() or (self.folder / "plan.json").is_file():
            return False
        return any(path.name not in (".lock", "shards") for path in self.folder.iterdir())

    def write_json(self, name: str, content: Any) -> None:
        text = json.dumps(content, indent=1, sort_keys=False, allow_nan=False)
        write_atomically(self.folder / name, lambda file: file.write(text.encode()))

    def read_json(self, name: str) -> Any:
        """The content; None where the file is not there."""
        path = self.folder / name
        try:
            return json.loads(path.read_bytes()) if path.is_file() else None
        except ValueError as error:
            raise RunFolderError(
                f"{path}: not JSON ({error})", "Remove the file; the same command makes it again."
            ) from None

    def row(self, key: str) -> Result | None:
        path = self.folder / "rows" / f"{key}.json"
        try:
            return Result.model_validate_json(path.read_bytes()) if path.is_file() else None
        except ValidationError:
            return None  # of another version: computed anew

    def sketch(self, key: str) -> Sketch | None:
        """None where there is none, or one of another version."""
        path = self.folder / "sketches" / f"{key}.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return sketch_from(dict(arrays))
        except (*_DAMAGED, KeyError) as error:
            raise _damage_error(path, error) from None

    def write_sketch(self, key: str, sketch: Sketch) -> None:
        path = self.folder / "sketches" / f"{key}.npz"
        arrays: dict[str, Any] = sketch.arrays()
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))

    # fits and calibration

    def fit_path(self, key: str) -> Path:
        return self.folder / "fits" / f"{key}.safetensors"

    def fit(self, key: str) -> Fit | None:
        return read_fit(self.fit_path(key))

    def write_fit(self, key: str, fit: Fit) -> None:
        from safetensors.torch import save  # late: torch takes seconds, and whoever reads results does without

        tensors = {name: tensor.contiguous() for name, tensor in fit.tensors.items()}
        data = save(tensors, {"facts": json.dumps(dict(fit.facts))})
        write_atomically(self.fit_path(key), lambda file: file.write(data))

    def calibration(self, key: str) -> Calibration | None:
        path = self.folder / "calibration" / f"{key}.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return Calibration(arrays["levels"], arrays["quantiles"], str(arrays["source"]))
        except _DAMAGED as error:
            raise _damage_error(path, error) from None

    def write_calibration(self, key: str, calibration: Calibration) -> None:
        path = self.folder / "calibration" / f"{key}.npz"
        levels, quantiles, source = calibration.levels, calibration.quantiles, np.array(calibration.source)
        write_atomically(path, lambda file: np.savez(file, levels=levels, quantiles=quantiles, source=source))

    # maps

    def map_path(self, kind: str, key: str, frame: str) -> Path:
        """`kind` is `scores` (key: of the scorer) or `predictions` (key: of the network)."""
        return self.folder / kind / key / f"{frame}.npy"

    def has_map(self, kind: str, key: str, frame: str, size: tuple[int, int]) -> bool:
        """Whether the map is there, whole and of this size: what is on disk is checked before it is reused."""
        path = self.map_path(kind, key, frame)
        try:
            return bool(np.load(path, mmap_mode="r", allow_pickle=False).shape == size)
        except _DAMAGED:
            return False

    def write_map(self, kind: str, key: str, frame: str, values: NDArray[Any]) -> None:
        path = self.map_path(kind, key, frame)
        write_atomically(path, lambda file: np.save(file, values, allow_pickle=False))

    def read_map(self, kind: str, key: str, frame: str) -> NDArray[Any]:
        path = self.map_path(kind, key, frame)
        try:
            values: NDArray[Any] = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise NotStoredError(
                f"{path}: this map is not stored",
                "It was not scored yet, or --keep-scores did not keep it: run again with --keep-scores all.",
            ) from None
        except _DAMAGED as error:
            raise _damage_error(path, error) from None
        return values

    # costs

    def add_cost(self, network: str, line: dict[str, Any]) -> None:
        path = self.folder / "costs" / f"{network}.jsonl"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                # A line break before each line: half a line that a full disk left is then a line of its own.
                file.write("\n" + json.dumps(line))
        except OSError as error:
            raise cannot_write(path, error) from error

    def replace_costs(self, network: str, lines: list[dict[str, Any]]) -> None:
        """Put these lines in the place of all that are there."""
        text = "".join(f"\n{json.dumps(line)}" for line in lines)
        write_atomically(self.folder / "costs" / f"{network}.jsonl", lambda file: file.write(text.encode()))

    def costs(self, network: str) -> list[dict[str, Any]]:
        path = self.folder / "costs" / f"{network}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # empty, or half a line of a run that was killed: a cost less, nothing else
        return found
