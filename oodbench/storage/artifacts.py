"""Artifacts of a run as objects, on top of a store of keys and bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from oodbench.contracts import Breakdown, Calibration, Fit, Result, ResultsFile
from oodbench.errors import NotStoredError, RunFolderError
from oodbench.metrics import Sketch, sketch_from
from oodbench.metrics.measurements.chunk import ChunkBins, FrameChunk, read_digests
from oodbench.metrics.measurements.frame import FrameMeasurement
from oodbench.planning.records import PlanRecord
from oodbench.storage.fits import decode_facts, decode_fit, encode_fit
from oodbench.storage.keys import PLAN, RESULTS_FILE, Key, Kind, breakdown_key, sketch_key, without_rules
from oodbench.storage.run_store import REEVALUATE, REPAIR, RunStore
from oodbench.storage.sealed import SealedStore
from oodbench.storage.stored_records import read_plan, read_record
from oodbench.text import escape_controls
from oodbench.threads import READING_NUMPY_FILE
from oodbench.types import Size

_DAMAGED = (OSError, ValueError, EOFError, BadZipFile, KeyError)
# Number of bytes that contains the whole header of a numpy file.
_HEADER_BYTES = 256

_Value = TypeVar("_Value")


class RunArtifacts:
    """Reader and writer of the artifacts of one run.

    Args:
        store: The store of the artifacts.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = store if isinstance(store, SealedStore) else SealedStore(store)

    # the plan and the results

    def plan(self) -> PlanRecord | None:
        """Return the plan; None if there is none.

        Raises:
            RunFolderError: The plan was written by another version.
        """
        return read_plan(self.store)

    def write_plan(self, plan: PlanRecord) -> None:
        """Store the plan."""
        self._write_json(PLAN, plan)

    def results_file(self) -> ResultsFile:
        """Return the content of result.json.

        Raises:
            RunFolderError: There is none, or it was written by another version.
        """
        if not self.store.has(RESULTS_FILE):
            raise RunFolderError(
                f"{self.store.location}: no result.json in this folder; expected the folder of an evaluated run",
                "To resume a run that was not evaluated, run the same 'oodbench run' again.",
            )
        remedy = "Use the version that wrote it, or run the same 'oodbench run' again."
        return read_record(self.store, RESULTS_FILE, ResultsFile, "the results", remedy)

    def write_results_file(self, content: ResultsFile) -> None:
        """Store result.json."""
        self._write_json(RESULTS_FILE, content.sealed())

    def result(self, key: Key) -> Result | None:
        """Return a result; None if there is none, if another version wrote it, or if it is damaged."""
        try:
            return Result.model_validate_json(self.store.read(key)) if self.store.has(key) else None
        except (ValidationError, RunFolderError):
            return None

    def write_result(self, key: Key, result: Result) -> None:
        """Store a result."""
        self._write_json(key, result)

    def sketch(self, result: Key) -> Sketch | None:
        """Return the sketch of a result; None if there is none."""
        return self._arrays(sketch_key(result), sketch_from)

    def write_sketch(self, result: Key, sketch: Sketch) -> None:
        """Store the sketch of a result."""
        arrays: dict[str, Any] = sketch.arrays()
        self.store.write(sketch_key(result), _to_bytes(lambda file: np.savez_compressed(file, **arrays)))

    def breakdown(self, result: Key) -> Breakdown | None:
        """Return the breakdown of a result; None if there is none.

        Raises:
            RunFolderError: The breakdown is damaged, or it was written by another version.
        """
        key = breakdown_key(result)
        if not self.store.has(key):
            return None
        return read_record(self.store, key, Breakdown, "a breakdown", REEVALUATE)

    def write_breakdown(self, result: Key, breakdown: Breakdown) -> None:
        """Store the breakdown of a result."""
        self._write_json(breakdown_key(result), breakdown)

    # small records

    def json(self, key: Key) -> Any:
        """Return the content of a JSON artifact; None if there is none.

        Raises:
            RunFolderError: It is not JSON.
        """
        try:
            return json.loads(self.store.read(key)) if self.store.has(key) else None
        except ValueError as error:
            raise RunFolderError(f"{self.store.name(key)}: not JSON ({error})", REPAIR) from None

    def write_json(self, key: Key, content: Any) -> None:
        """Store a JSON artifact."""
        self.store.write(key, json.dumps(content, indent=1, sort_keys=False, allow_nan=False).encode())

    def _write_json(self, key: Key, record: BaseModel) -> None:
        self.write_json(key, record.model_dump(mode="json"))

    # fits and calibration

    def fit(self, key: Key) -> Fit | None:
        """Return the fit of a scorer; None if there is none."""
        return decode_fit(self.store.read(key), self.store.name(key)) if self.store.has(key) else None

    def fit_facts(self, key: Key) -> Mapping[str, Any] | None:
        """Return the facts of a fit, without its tensors; None if there is no fit."""
        return decode_facts(self.store.read(key), self.store.name(key)) if self.store.has(key) else None

    def write_fit(self, key: Key, fit: Fit) -> None:
        """Store a fit."""
        self.store.write(key, encode_fit(fit))

    def calibration(self, key: Key) -> Calibration | None:
        """Return a calibration; None if there is none."""
        return self._arrays(
            key,
            lambda arrays: Calibration(arrays["levels"], arrays["quantiles"], escape_controls(str(arrays["source"]))),
        )

    def write_calibration(self, key: Key, calibration: Calibration) -> None:
        """Store a calibration."""
        levels, quantiles, source = calibration.levels, calibration.quantiles, np.array(calibration.source)
        self.store.write(key, _to_bytes(lambda file: np.savez(file, levels=levels, quantiles=quantiles, source=source)))

    def _arrays(self, key: Key, make: Callable[[Mapping[str, NDArray[Any]]], _Value]) -> _Value | None:
        """Return the object that `make` builds from a file of arrays; None if there is no such file."""
        if not self.store.has(key):
            return None
        try:
            content = io.BytesIO(self.store.read(key))
            with READING_NUMPY_FILE, np.load(content, allow_pickle=False) as arrays:
                loaded = dict(arrays)
            return make(loaded)
        except _DAMAGED as error:
            raise self._damaged(key, error) from None

    # maps

    def has_map(self, key: Key, size: Size) -> bool:
        """Return whether a complete map of this size is stored. A stored map is checked before it is reused."""
        if not self.store.is_intact(key):
            return False
        try:
            header = io.BytesIO(self.store.read(key, _HEADER_BYTES))
            shape, dtype = _read_header(header)
        except (NotStoredError, *_DAMAGED):
            return False
        return shape == size and self.store.size(key) == header.tell() + dtype.itemsize * size[0] * size[1]

    def map(self, key: Key) -> NDArray[Any]:
        """Return a stored map.

        Raises:
            NotStoredError: The map is not stored.
            RunFolderError: The map is damaged.
        """
        data = self.store.read(key)
        file = io.BytesIO(data[:_HEADER_BYTES])
        try:
            shape, dtype = _read_header(file)
            return np.frombuffer(data, dtype, offset=file.tell(), count=shape[0] * shape[1]).reshape(shape)
        except _DAMAGED as error:
            raise self._damaged(key, error) from None

    def write_map(self, key: Key, values: NDArray[Any]) -> None:
        """Store a map, float32 or uint8 [H, W]."""
        values = np.ascontiguousarray(values)
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(values))
        self.store.write(key, header.getbuffer(), values.data.cast("B"))

    # measurements

    def measurement(self, key: Key) -> FrameMeasurement:
        """Return the measurement of a score map.

        Raises:
            NotStoredError: The measurement is not stored.
            RunFolderError: The measurement is damaged.
        """
        return self._tensors(key, FrameMeasurement.from_arrays)

    def measured(self) -> Mapping[Key, Key]:
        """Return the keys of the stored measurements that have the size that was written, by their keys without rules.

        Of several measurements of one map, one is returned.
        """
        return {without_rules(key): key for key in self.store.keys(Kind.MEASUREMENT) if self.store.is_intact(key)}

    def write_measurement(self, key: Key, measurement: FrameMeasurement) -> None:
        """Store the measurement of a score map."""
        self._write_tensors(key, measurement.arrays())

    def chunk(self, key: Key, bins: ChunkBins) -> FrameChunk:
        """Return the measurement of a chunk of frames in these bins.

        Raises:
            NotStoredError: The measurement is not stored.
            RunFolderError: The measurement is damaged.
        """
        return self._tensors(key, lambda arrays: FrameChunk.from_arrays(arrays, bins))

    def chunked(self) -> frozenset[tuple[str, str]]:
        """Return the key of the scorer and the place (`FrameRecord`) of each frame in a stored chunk."""
        keys = [key for key in self.store.keys(Kind.CHUNK) if self.store.is_intact(key)]
        return frozenset((key.parts[0], frame) for key in keys for frame in self._tensors(key, read_digests))

    def write_chunk(self, key: Key, chunk: FrameChunk) -> None:
        """Store the measurement of a chunk of frames."""
        self._write_tensors(key, chunk.arrays())

    def _tensors(self, key: Key, make: Callable[[Mapping[str, NDArray[Any]]], _Value]) -> _Value:
        """Return the object that `make` builds from a file of tensors."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        data = bytes(self.store.read(key))
        try:
            return make(load(data))
        except (SafetensorError, *_DAMAGED) as error:
            raise self._damaged(key, error) from None

    def _write_tensors(self, key: Key, arrays: Mapping[str, NDArray[Any]]) -> None:
        from safetensors.numpy import save

        self.store.write(key, save({name: np.ascontiguousarray(values) for name, values in arrays.items()}))

    # costs

    def add_cost(self, key: Key, line: Mapping[str, Any]) -> None:
        """Add the cost of one batch."""
        # The line break comes first, so that a part of a line left by a full disk does not spoil the next line.
        self.store.append(key, b"\n" + json.dumps(line).encode())

    def replace_costs(self, key: Key, lines: Sequence[Mapping[str, Any]]) -> None:
        """Replace all costs of a network."""
        self.store.write(key, b"".join(b"\n" + json.dumps(line).encode() for line in lines))

    def costs(self, key: Key) -> Iterator[dict[str, Any]]:
        """Yield the cost of each batch."""
        for line in self.store.read(key).splitlines() if self.store.has(key) else ():
            try:
                cost = json.loads(line)
            except ValueError:
                continue  # empty, or a part of a line of an interrupted run: its cost is skipped
            if isinstance(cost, dict):
                yield cost

    def _damaged(self, key: Key, error: Exception) -> RunFolderError:
        return RunFolderError(f"{self.store.name(key)}: damaged ({error})", REPAIR)


def _to_bytes(save: Callable[[io.BytesIO], object]) -> memoryview:
    file = io.BytesIO()
    save(file)
    return file.getbuffer()


def _read_header(file: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the shape and the type of the map in a numpy file.

    Raises:
        ValueError: The file is not a numpy file, or it does not contain a map.
    """
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not a numpy file of version 1.0")
    with READING_NUMPY_FILE:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran or len(shape) != 2 or dtype.hasobject:
        raise ValueError(f"an array {dtype} {shape}; expected two dimensions in row-major order")
    return shape, dtype
