"""Identity of the code of a Python object: a package version or a digest of source text.

Weights alone do not identify a network: modules with the same parameters and a different `forward` give different
scores.
"""

from __future__ import annotations

import inspect
import json
import platform
import site
import sys
import sysconfig
import uuid
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from oodbench import __version__
from oodbench.files import digest_bytes
from oodbench.user_code.sources import digest_sources, find_sources

PROCESS_TOKEN = uuid.uuid4().hex
"""Placeholder for code that can't be read: constant in this process, different in every other process."""

_OWN_PACKAGE = Path(__file__).resolve().parents[1]


def code_identity(code: type | Callable[..., Any]) -> tuple[str, bool]:
    """Return a text that identifies the code of a class or function, and whether other processes get the same text.

    A class is identified by its name and by the files that define it and each of its base classes. Installed files are
    identified by the version of their distribution (torch, torchvision, ...) or of Python. Any other file is identified
    by the digest of its text and of the local files that it imports. A function is identified in the same way, with the
    number of its first line.

    Args:
        code: A class or a function. For any other object, its class is used.

    Returns:
        The text, and False if the source of a class is not available, for example if it was defined in a notebook cell.
        In that case the text contains a random part that is chosen once per process.
    """
    if not isinstance(code, type) and not inspect.isroutine(code):
        code = type(code)
    classes = [part for part in code.__mro__ if part is not object] if isinstance(code, type) else [code]
    parts = [_identify(part) for part in classes]
    text = json.dumps([part or f"{PROCESS_TOKEN} {_name(cls)}" for cls, part in zip(classes, parts, strict=True)])
    return digest_bytes(text.encode()), all(parts)


def _name(code: Any) -> str:
    line = getattr(getattr(code, "__code__", None), "co_firstlineno", "")
    return f"{getattr(code, '__qualname__', type(code).__name__)}:{line}"


def _identify(code: Any) -> str | None:
    """Return the name of a class or function with its distribution or the digest of its source; None if unavailable."""
    module = sys.modules.get(getattr(code, "__module__", None) or "")
    try:
        source = inspect.getsourcefile(code)
    except (TypeError, OSError):  # builtin or compiled, or a class whose module has no file
        source = getattr(module, "__file__", None)
        if source is None and _is_builtin(code):
            return f"{code.__module__}.{_name(code)} python {platform.python_version()}"
    if source is None or not Path(source).is_file() or not _is_defined_in(code, Path(source)):
        return None  # a notebook cell, exec, or the prompt
    path = Path(source).resolve()
    installed = find_distribution(path)
    # The module name of a local file can differ between processes, so the file is identified by its text.
    return (
        f"{code.__module__}.{_name(code)} {installed}"
        if installed
        else f"{_name(code)} {digest_sources(find_sources(path))}"
    )


def _is_builtin(code: Any) -> bool:
    module = sys.modules.get(getattr(code, "__module__", None) or "builtins")
    name = getattr(module, "__name__", "__main__")
    is_standard = name in (*sys.builtin_module_names, *sys.stdlib_module_names)
    return is_standard and getattr(module, code.__name__, None) is code


def _is_defined_in(code: Any, source: Path) -> bool:
    """Return whether a class is defined in the file of its module; a class from `exec` has a module name, too."""
    if not isinstance(code, type) or "__dataclass_fields__" in vars(code):
        return True
    functions = [inspect.unwrap(part) for part in vars(code).values() if inspect.isfunction(part)]
    files = {function.__code__.co_filename for function in functions if function.__name__ != "<lambda>"}
    return not files or any(Path(file).is_file() for file in files)


@cache
def find_distribution(path: Path) -> str | None:
    """Return the name and version of the distribution or Python that a file belongs to; None for any other file."""
    if path.is_relative_to(_OWN_PACKAGE):
        return f"oodbench {__version__}"
    for folder in _package_folders():
        if path.is_relative_to(folder):
            top = path.relative_to(folder).parts[0].partition(".")[0]
            names = sorted(set(_distributions().get(top, ())))
            try:
                return ", ".join(f"{name} {version(name)}" for name in names) or None
            except PackageNotFoundError:
                return None
    standard = (Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
    return f"python {platform.python_version()}" if any(map(path.is_relative_to, standard)) else None


@cache
def _package_folders() -> tuple[Path, ...]:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    folders.append(site.getusersitepackages())
    return tuple(Path(folder).resolve() for folder in dict.fromkeys(folders))


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())
