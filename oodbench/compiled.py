"""Loops compiled with numba. Compiled code is cached on disk if possible; otherwise each process recompiles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Loop], Loop]:
    """Return a decorator that compiles a loop with `numba.njit`, cached on disk if possible.

    There is no cache if neither the package nor the home folder is writable, as in a container with a read-only file
    system.

    Args:
        options: Options of `numba.njit`.
    """

    def compile_loop(loop: Loop) -> Loop:
        try:
            compiled_loop: Loop = numba.njit(cache=True, **options)(loop)
        except RuntimeError:
            compiled_loop = numba.njit(**options)(loop)
        return compiled_loop

    return compile_loop
