"""Errors of the user's code that imports a module which is not there."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oodbench.errors import PluginError
from oodbench.user_code.importing import strip_package, user_files


@contextmanager
def explain_missing_modules(fallback: Path | None = None) -> Iterator[None]:
    """Turn the ModuleNotFoundError of a user's file into a PluginError with the file, the module and a remedy.

    Args:
        fallback: the file to name if no file of the user's is in the traceback; None leaves such an error as it is.

    Raises:
        PluginError: a module that a user's file needs is not installed, and not next to the file.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        known = user_files()
        calls = [call for call in traceback.extract_tb(error.__traceback__) if call.filename in known]
        if not calls and fallback is None:
            raise
        where = f"{calls[-1].filename}:{calls[-1].lineno}" if calls else fallback
        folder = Path(calls[-1].filename if calls else str(fallback)).parent
        name = strip_package(error.name or str(error))
        raise PluginError(
            f"{where}: needs the module '{name}', which is not installed and not in {folder}",
            f"Install it, or put {name.partition('.')[0]}.py into {folder}.",
        ) from error
