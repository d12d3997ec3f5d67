"""The identity of the code behind a Python object: which package version, or which source text.

Weights alone do not identify a network: two modules with the same parameters and another `forward` give other scores.
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
"""Takes the place of code that can't be read: the same in this process, different in every other one."""

_OWN_PACKAGE = Path(__file__).resolve().parents[1]


def code_identity(code: type | Callable[..., Any]) -> tuple[str, bool]:
    """Return a text that identifies the code of a class or function, and whether other processes get the same text.

    A class is identified by its name and, for it and each of its base classes, by the file that defines it: the version
    of its distribution (torch, torchvision, ...) or of Python, or the digest of its text. A text file stands together
    with the local files that it imports. A function is identified in the same way, with its first line.

    Args:
        code: A class or a function. Of any other object the class is taken.

    Returns:
        The text, and False if the source of one of the classes can't be had, as for a class that was defined in a
        notebook cell. The text then has a random part that is drawn once per process.
    """
    if not isinstance(code, type) and not inspect.isroutine(code):
        code = type(code)
    classes = [part for part in code.__mro__ if part is not object] if isinstance(code, type) else [code]
    parts = [_identify(part) for part in classes]
    text = json.dumps([part or f"{PROCESS_TOKEN} {_name(of)}" for of, part in zip(classes, parts, strict=True)])
    return digest_bytes(text.encode()), all(parts)


def _name(code: Any) -> str:
    line = getattr(getattr(code, "__code__", None), "co_firstlineno", "")
    return f"{getattr(code, '__qualname__', type(code).__name__)}:{line}"


def _identify(code: Any) -> str | None:
    """Return name and distribution, or name and digest of the source, of one class or function; None without either."""
    module = sys.modules.get(getattr(code, "__module__", None) or "")
    try:
        source = inspect.getsourcefile(code)
    except (TypeError, OSError):  # builtin or compiled; or a class whose module has no file
        source = getattr(module, "__file__", None)
        if source is None and _is_builtin(code):
            return f"{code.__module__}.{_name(code)} python {platform.python_version()}"
    if source is None or not Path(source).is_file() or not _is_defined_in(code, Path(source)):
        return None  # a notebook cell, exec, or the prompt
    path = Path(source).resolve()
    installed = find_distribution(path)
    # The module's name may differ between processes for a local file, which is known by its text.
    return (
        f"{code.__module__}.{_name(code)} {installed}"
        if installed
        else f"{_name(code)} {digest_sources(find_sources(path))}"
    )


def _is_builtin(code: Any) -> bool:
    module = sys.modules.get(getattr(code, "__module__", None) or "builtins")
    name = getattr(module, "__name__", "__main__")
    known = name in (*sys.builtin_module_names, *sys.stdlib_module_names)
    return known and getattr(module, code.__name__, None) is code


def _is_defined_in(code: Any, source: Path) -> bool:
    """Tell whether a class comes from the file of its module: one that `exec` defines names a module, too."""
    if not isinstance(code, type) or "__dataclass_fields__" in vars(code):
        return True
    functions = [inspect.unwrap(part) for part in vars(code).values() if inspect.isfunction(part)]
    files = {function.__code__.co_filename for function in functions if function.__name__ != "<lambda>"}
    return not files or any(Path(file).is_file() for file in files)


@cache
def find_distribution(path: Path) -> str | None:
    """Return name and version of the distribution or Python that a file belongs to; None for any other file."""
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
