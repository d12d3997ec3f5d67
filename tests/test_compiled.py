"""Compiled loops without a writable cache folder, and with a damaged cache."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest

from oodbench import compiled as module
from oodbench.compiled import compiled


def add(first: int, second: int) -> int:
    return first + second


def test_functions_are_compiled_without_a_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("cannot cache function 'add': no locator available")

    monkeypatch.setattr(module, "_Cache", refuse)
    assert compiled(error_model="numpy")(add)(1, 2) == 3


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], Any]:
    """Return a function that loads a compiled loop as a new process would."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    program = "from oodbench.compiled import compiled\n\n\n@compiled()\ndef double(x):\n    return 2 * x\n"
    (tmp_path / "loops.py").write_text(program)

    def load() -> Any:
        spec = importlib.util.spec_from_file_location("loops", tmp_path / "loops.py")
        assert spec is not None
        assert spec.loader is not None
        loops = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loops)
        return loops.double

    return load


def count_hits(loop: Any) -> int:
    assert loop(21) == 42
    return sum(loop.stats.cache_hits.values())


def files(folder: Path, ending: str) -> Path:
    (path,) = folder.rglob(f"*.{ending}")
    return path


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("size", [0, 40, 100, "overwritten"])
def test_a_damaged_cache_is_replaced(load: Callable[[], Any], tmp_path: Path, ending: str, size: int | str) -> None:
    assert count_hits(load()) == 0
    assert count_hits(load()) == 1
    path = files(tmp_path / "cache", ending)
    content = path.read_bytes()
    path.write_bytes(content[:size] if isinstance(size, int) else content[: len(content) // 2] + b"x" * 99)
    assert count_hits(load()) == 0
    assert count_hits(load()) == 1


def test_a_damaged_byte_of_compiled_code_is_not_run(load: Callable[[], Any], tmp_path: Path) -> None:
    count_hits(load())
    path = files(tmp_path / "cache", "nbc")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert count_hits(load()) == 0


def test_a_full_disk_only_costs_the_cache(
    load: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module._CheckedFiles, "_save_data", fail)
    assert count_hits(load()) == 0
    assert count_hits(load()) == 0
    assert not list((tmp_path / "cache").rglob("*.nbi"))
