"""Stores found by their location, and runs in a store that is not a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import oodbench
from oodbench.cli.main import app
from oodbench.errors import RunFolderError
from oodbench.storage.keys import PLAN
from oodbench.storage.local import LocalStore
from oodbench.storage.open_store import STORES, open_store
from tests.helpers.fake_benchmarks import numbers, small_run
from tests.helpers.memory_store import MemoryStore


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> dict[str, MemoryStore]:
    """Register stores in memory, as a new kind of store is registered, and return those that were opened by name."""
    opened: dict[str, MemoryStore] = {}
    monkeypatch.setitem(STORES, "memory", lambda name: opened.setdefault(name, MemoryStore(name)))
    return opened


@pytest.mark.parametrize(
    "location", ["run", "/memory:run", "memory:", "memory", "runs/memory:run", r"C:\run", "s3:run"]
)
def test_other_locations_are_folders(stores: dict[str, MemoryStore], location: str) -> None:
    for given in (location, Path(location)):
        store = open_store(given)
        assert isinstance(store, LocalStore)
        assert store.folder == Path(location)
    assert stores == {}


def test_a_location_opens_the_same_store_again(stores: dict[str, MemoryStore]) -> None:
    open_store("memory:run").write(PLAN, b"content")
    again = open_store(Path(stores["run"].location))
    assert bytes(again.read(PLAN)) == b"content"
    assert not open_store("memory:other").has(PLAN)


def test_a_run_in_another_store_gives_the_same_numbers(
    stores: dict[str, MemoryStore], network_file: Path, place: Path, tmp_path: Path
) -> None:
    settings = {"methods": ["msp", "knn"], "stop_after": "report"}
    on_disk = small_run(network_file, place, tmp_path / "run", **settings)
    run = small_run(network_file, place, Path("memory:run"), **settings)
    loaded = oodbench.load("memory:run")
    assert isinstance(loaded.store, MemoryStore)
    assert numbers(run) == numbers(loaded) == numbers(on_disk)
    assert numbers(loaded.evaluate()) == numbers(on_disk)
    assert not Path("memory:run").exists()
    with pytest.raises(RunFolderError, match="oodbench report memory:run --format heatmaps --out DIR"):
        loaded.report("heatmaps")
    with pytest.raises(RunFolderError, match="memory:run: this folder belongs to another run"):
        small_run(network_file, place, Path("memory:run"), methods=["msp"])
    with pytest.raises(RunFolderError, match="memory:run: this store has no shards"):
        small_run(network_file, place, Path("memory:run"), shard="1/2", **settings)


def test_commands_take_another_store(
    stores: dict[str, MemoryStore], network_file: Path, place: Path, tmp_path: Path
) -> None:
    run = ["run", "--model", str(network_file), "--data", str(place), "--benchmark", "road-anomaly", "--method", "msp"]
    done = CliRunner().invoke(app, [*run, "--out", "memory:run"])
    assert done.exit_code == 0, done.output
    assert "no reports were written, because memory:run is not a folder" in done.stderr
    assert "table and figures" not in done.stderr
    for verb in (["evaluate", "memory:run"], ["report", "memory:run"], ["verify", "memory:run"]):
        done = CliRunner().invoke(app, verb)
        assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["report", "memory:run", "--format", "heatmaps", "--out", str(tmp_path / "figures")])
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "figures").iterdir())
    done = CliRunner().invoke(app, ["report", "memory:run", "--format", "heatmaps"])
    assert "memory:run: not a folder" in str(done.exception)
