"""Comparison of stored records with recomputed ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any


def find_differences(stored: Any, again: Any, tolerance: float, name: str = "") -> Iterator[str]:
    """Yield a text for each difference between two values as JSON has them: dicts, lists, numbers and strings.

    Args:
        stored: The stored value.
        again: The recomputed value.
        tolerance: Largest difference of two numbers, absolute and relative.
        name: Name of the value, for the texts.
    """
    if isinstance(stored, dict) and isinstance(again, dict):
        for key in [*stored, *(key for key in again if key not in stored)]:
            yield from find_differences(stored.get(key), again.get(key), tolerance, f"{name} {key}".lstrip())
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for index, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from find_differences(one, other, tolerance, f"{name} {index}".lstrip())
    elif not _is_equal(stored, again, tolerance):
        yield f"{name} is {again!r} if recomputed; {stored!r} is stored"


def _is_equal(stored: Any, again: Any, tolerance: float) -> bool:
    if isinstance(stored, float) and isinstance(again, int | float):
        return math.isclose(stored, again, rel_tol=tolerance, abs_tol=tolerance)
    return bool(stored == again)
