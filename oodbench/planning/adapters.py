"""The adapter for `--model`, and the reason if there is none."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from oodbench.contracts import Adapter
from oodbench.errors import UnknownNameError, UsageError
from oodbench.registry import Registry

# What follows the file in `--model FILE:key=value` and `--model FILE.py:FUNCTION`.
_OPTIONS = re.compile(r":\w+=|(?<=\.py):[A-Za-z_]\w*$")


def split_options(source: str) -> tuple[str, str]:
    """Return `--model` without the options or the function that follow the file, and these with their colon."""
    match = None if Path(source).exists() else _OPTIONS.search(source)
    return (source[: match.start()], source[match.start() :]) if match else (source, "")


def find_adapter(source: str, registry: Registry) -> Adapter:
    """Return the adapter that accepts `--model SOURCE`.

    Raises:
        UnknownNameError: The source is similar to the name of a bundled model.
        UsageError: No adapter accepts the source.
    """
    try:
        return registry.adapter(source)
    except UsageError as error:
        raise _explain(source, registry) or error from None


def _explain(source: str, registry: Registry) -> UsageError | None:
    """Return the reason why no adapter accepts the source, if it can be told."""
    # Imported late: importing torch takes seconds, and reading results doesn't need it.
    from oodbench.segmenters.bundled import BUNDLED

    path, options = split_options(source)
    if options:
        try:
            title = registry.adapter(path).card.title
        except UsageError:
            pass
        else:
            return UsageError(f"--model {source}: {title} networks have no options", f"Give --model {path}.")
    if difflib.get_close_matches(source, BUNDLED):
        return UnknownNameError("model", source, BUNDLED, "oodbench list models")
    if not Path(path).exists() and (Path(path).suffix or os.sep in path):
        return UsageError(f"--model {source}: no such file", "Correct the path. See also: oodbench list models")
    return None
