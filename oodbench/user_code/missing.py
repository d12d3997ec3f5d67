"""Errors of user code that imports a missing module."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oodbench.errors import PluginError
from oodbench.user_code.importing import strip_package, user_files


@contextmanager
def explain_missing_modules(fallback: Path | None = None) -> Iterator[None]:
    """Convert a ModuleNotFoundError of a user file to a PluginError with the file, the module and a remedy.

    Args:
        fallback: The file to name if the traceback contains no user file. None: do not convert such an error.

    Raises:
        PluginError: A module that a user file imports is neither installed nor next to the file.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        files = user_files()
        calls = [call for call in traceback.extract_tb(error.__traceback__) if call.filename in files]
        if not calls and fallback is None:
            raise
        location = f"{calls[-1].filename}:{calls[-1].lineno}" if calls else fallback
        folder = Path(calls[-1].filename if calls else str(fallback)).parent
        name = strip_package(error.name or str(error))
        raise PluginError(
            f"{location}: needs the module '{name}', which is not installed and not in {folder}",
            f"Install it, or put {name.partition('.')[0]}.py into {folder}.",
        ) from error
