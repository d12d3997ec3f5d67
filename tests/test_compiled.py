"""Compiled loops without a writable cache folder."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from oodbench.compiled import compiled


def add(first: int, second: int) -> int:
    return first + second


def test_functions_are_compiled_without_a_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def njit(*, cache: bool = False, **options: Any) -> Any:
        asked.append((cache, options))
        if cache:
            raise RuntimeError("cannot cache function 'add': no locator available")
        return lambda loop: loop

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled(error_model="numpy")(add)(1, 2) == 3
    assert asked == [(True, {"error_model": "numpy"}), (False, {"error_model": "numpy"})]
