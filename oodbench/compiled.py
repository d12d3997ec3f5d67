"""Loops compiled with numba. Compiled code is cached on disk if possible; otherwise each process recompiles it."""

# numba's functions have no types.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile
from typing_extensions import override

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(**options: Any) -> Callable[[Loop], Loop]:
    """Return a decorator that compiles a loop with `numba.njit`, cached on disk if possible.

    There is no cache if neither the package nor the home folder is writable, as in a container with a read-only file
    system. Damaged files of the cache are replaced.

    Args:
        options: Options of `numba.njit`.
    """

    def compile_loop(loop: Loop) -> Loop:
        compiled_loop: Loop = numba.njit(**options)(loop)
        with suppress(RuntimeError, OSError):  # no folder for the cache
            compiled_loop._cache = _Cache(loop)  # type: ignore[attr-defined]  # as njit(cache=True) does
        return compiled_loop

    return compile_loop


class _Cache(FunctionCache):
    """numba's cache of one function, which ignores damaged, missing and unwritable files."""

    def __init__(self, loop: Callable[..., Any]) -> None:
        super().__init__(loop)
        inner = self._cache_file
        self._cache_file = _CheckedFiles(inner._cache_path, self._impl.filename_base, inner._source_stamp)

    @override
    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # unpickling a damaged file can raise any error
            self._discard_index()
            return None

    @override
    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:  # for example a full disk
            self._discard_index()

    def _discard_index(self) -> None:
        """Remove the index, without which numba starts a new one."""
        with suppress(OSError):
            os.unlink(self._cache_file._index_path)


class _CheckedFiles(IndexDataCacheFile):
    """Files of compiled code that begin with the digest of their content: damaged code would crash the process."""

    @override
    def _save_data(self, name: str, data: Any) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    @override
    def _load_data(self, name: str) -> Any:
        stored = Path(self._data_path(name)).read_bytes()
        digest, content = stored[:32], stored[32:]
        intact = digest == hashlib.sha256(content).digest()
        return pickle.loads(content) if intact else None  # noqa: S301  # as trusted as the code of the package
