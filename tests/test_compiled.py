"""Compiled loops where nothing can be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numba
import pytest

from oodbench.compiled import compiled


def add(first: int, second: int) -> int:
    return first + second


def test_without_a_place_for_the_cache_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def njit(*, cache: bool = False, **options: Any) -> Any:
        asked.append((cache, options))
        if cache:
            raise RuntimeError("cannot cache function 'add': no locator available")
        return lambda loop: loop

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(error_model="numpy")(add)(1, 2) == 3
    assert asked == [(True, {"error_model": "numpy"}), (False, {"error_model": "numpy"})]


def test_the_number_of_threads_that_the_user_said_holds_here_too() -> None:
    program = "import oodbench.compiled, numba; print(numba.config.NUMBA_NUM_THREADS)"
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_NUM_THREADS"}
    for said in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment | {"OMP_NUM_THREADS": said},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{said}\n"
