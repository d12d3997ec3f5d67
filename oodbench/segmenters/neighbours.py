"""Imports of the modules beside a Python file that is not in a package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from oodbench.segmenters.code_identity import find_distribution


@contextmanager
def import_neighbours(folder: Path) -> Iterator[None]:
    """Let imports find the modules in a folder while the context is open.

    A module of the same name that was imported from another such folder does not take their place. Modules of Python
    and of installed packages do, as they do for a program in that folder.
    """
    folder = folder.resolve()
    names = {path.stem if path.suffix == ".py" else path.name for path in folder.iterdir()}
    hidden = {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] in names and _is_of_another_folder(module, folder)
    }
    for name in hidden:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.update(hidden)


def _is_of_another_folder(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file).resolve()
    return not path.is_relative_to(folder) and find_distribution(path) is None
