"""Requirements of every store, and a run that uses nothing else."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import filelock
import numpy as np
import pytest

from oodbench.errors import NotStoredError, RunFolderError
from oodbench.planning.plan import make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.runs.verify import verify
from oodbench.storage.artifacts import RunArtifacts
from oodbench.storage.keys import Key, Kind, score_key
from oodbench.storage.local import LocalStore
from oodbench.storage.run_store import RunStore
from oodbench.workflows.run import execute_in
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.memory_store import MemoryStore

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore()


def test_bytes_are_stored_under_their_keys(store: RunStore) -> None:
    first, second = score_key("knn-1", "b"), score_key("knn-1", "a")
    assert not store.has(first)
    assert store.size(first) is None
    with pytest.raises(NotStoredError, match="not stored"):
        store.read(first)
    store.write(first, b"content")
    store.write(second, b"other")
    assert bytes(store.read(first)) == b"content"
    assert bytes(store.read(first, 3)) == b"con"
    assert store.size(first) == 7
    assert list(store.keys(Kind.SCORE)) == [second, first]
    assert list(store.keys(Kind.FIT)) == []
    store.write(first, b"new")
    store.append(first, b"er")
    assert bytes(store.read(first)) == b"newer"
    store.delete(first)
    store.delete(first)
    assert list(store.keys(Kind.SCORE)) == [second]
    store.clear()
    assert list(store.keys(Kind.SCORE)) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_path(store: RunStore, kind: Kind) -> None:
    single = kind in (Kind.PLAN, Kind.DIGESTS, Kind.RESULTS_FILE, Kind.IMAGE_SHARES)
    key = Key(kind, () if single else ("a", "b.c") if kind in (Kind.SCORE, Kind.PREDICTION) else ("b.c",))
    store.write(key, b"1")
    assert list(store.keys(kind)) == [key]
    assert [other for other in Kind if other is not kind and list(store.keys(other))] == []


def test_artifacts_of_another_store_are_copied(store: RunStore, tmp_path: Path) -> None:
    other = LocalStore(tmp_path / "other")
    key = score_key("knn-1", "b")
    other.write(key, b"content")
    store.copy_from(other, [key])
    assert bytes(store.read(key)) == b"content"
    assert store.is_same(other, key)
    other.write(key, b"changed")
    assert not store.is_same(other, key)


def test_maps_are_complete_or_absent(store: RunStore) -> None:
    artifacts, key = RunArtifacts(store), score_key("knn-1", "b")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert not artifacts.has_map(key, (2, 3))
    artifacts.write_map(key, values)
    assert artifacts.has_map(key, (2, 3))
    assert not artifacts.has_map(key, (3, 2))
    stored = artifacts.map(key)
    assert stored.dtype == np.float32
    assert np.array_equal(stored, values)
    whole = bytes(store.read(key))
    for damaged in (whole[:-1], whole + b"1", whole[:20], b""):
        store.write(key, damaged)
        assert not artifacts.has_map(key, (2, 3))
    with pytest.raises(RunFolderError, match="damaged"):
        artifacts.map(key)


def test_a_run_works_with_any_store_of_bytes(network_file: Path, place: Path, tmp_path: Path) -> None:
    request = Request.of(
        models=(str(network_file),), data=(str(place),), benchmarks=("road-anomaly",), stop_after="evaluate",
        protocols=("pooled", "smiyc"),
    )  # fmt: skip
    registry = Registry()
    plan = make_plan(request, registry, Silent())
    artifacts = RunArtifacts(MemoryStore())
    artifacts.write_plan(plan.record)
    run = execute_in(artifacts, request, plan, Silent(), registry)
    on_disk = small_run(network_file, place, tmp_path / "run", protocols=["pooled", "smiyc"])
    assert numbers(run) == numbers(on_disk)
    assert numbers(run.evaluate()) == numbers(on_disk)
    assert [str(check) for check in verify(run) if check.verdict == "wrong"] == []
    assert run.table().equals(on_disk.table())


def test_no_other_module_builds_a_path_within_a_run() -> None:
    """Only storage/local.py contains names of a run's files and folders."""
    names = r"\"(plan\.json|result\.json|fits|calibration|costs|environments|predictions|sketches|breakdowns|shards)\""
    for path in sorted((ROOT / "oodbench").rglob("*.py")):
        part = path.relative_to(ROOT / "oodbench").parts[0]
        # The gate reads result.json by the user's path, without importing numpy.
        if part not in ("storage", "baseline", "methods", "benchmarks", "reports"):
            assert not re.search(rf"/ {names}", path.read_text()), path


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "/a", "a\\b", "a\nb", "a\x1b[31m"])
def test_a_name_that_leads_out_of_its_folder_or_line_is_an_error(part: str) -> None:
    with pytest.raises(RunFolderError, match="expected a name without slashes"):
        Key(Kind.SCORE, ("scorer", part))


def test_an_image_keeps_its_name() -> None:
    assert Key(Kind.IMAGE_SCORE, ("a, b\n",)).parts == ("a, b\n",)
    with pytest.raises(RunFolderError):
        Key(Kind.IMAGE_SCORE, ("../a",))


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("flock")])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(RunFolderError, match="file system has no file locks") as raised, LocalStore(tmp_path).lock():
        pass
    assert raised.value.remedy is not None
    assert "--out" in raised.value.remedy
