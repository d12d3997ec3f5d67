"""Compiled loops. Their machine code is kept on disk where there is a place for it, and made anew elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Loop], Loop]:
    """A decorator: `numba.njit` with a cache, or without one where neither the package nor the home can be written.

    So it is in a container whose file system is read-only.
    """

    def compile_loop(loop: Loop) -> Loop:
        try:
            made: Loop = numba.njit(cache=True, **options)(loop)
        except RuntimeError:
            made = numba.njit(**options)(loop)
        return made

    return compile_loop
