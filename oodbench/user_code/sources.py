"""Search for the local modules that Python code imports, from its text and without running it.

A module is local if its file is outside the standard library, outside site-packages and outside this package. Examples
are a file next to the importing file, a file in a folder on PYTHONPATH, and a distribution installed with `pip install
-e`.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from oodbench.files import digest_bytes, find_encoding

_PACKAGE = Path(__file__).parent.parent
# Names that never refer to a user file. Python finds its builtin modules before any file.
_RESERVED = {*sys.builtin_module_names, "__future__", _PACKAGE.name}


@dataclass(frozen=True)
class SourceText:
    """Text of one module, as it was read."""

    path: Path
    content: bytes


@dataclass(frozen=True)
class _Module:
    """Module whose text is still to be read.

    Attributes:
        name: Dotted name, relative to `root`.
        path: The file of the module.
        root: The folder from which its top-level name is imported.
        neighbour: True for a module in the folder of the user's file; False for a module on sys.path.
    """

    name: str
    path: Path
    root: Path
    neighbour: bool


def find_sources(file: Path) -> dict[str, SourceText]:
    """Return the texts of a Python file and of the local modules that it imports, by dotted name.

    Indirect imports and imports inside functions are included. Names are relative to the file's folder, so that they do
    not change if the folder is moved. A module that is not valid Python is included without its imports.
    """
    return _follow(_Module(file.stem, file, file.parent, neighbour=True))


def digest_sources(sources: Mapping[str, SourceText]) -> str:
    """Return the SHA-256 of all names and texts, independent of their order and folders."""
    return digest_bytes(json.dumps(sorted((name, digest_bytes(s.content)) for name, s in sources.items())).encode())


def digest_module(name: str, file: Path) -> str:
    """Return the digest of an importable module, read from `file`, and of the local modules that it imports."""
    parts = name.split(".")
    root = file.parents[len(parts) if file.name == "__init__.py" else len(parts) - 1]
    return digest_sources(_follow(_Module(name, file, root, neighbour=False)))


def is_installed(path: Path) -> bool:
    """Return whether a file belongs to the standard library, to site-packages or to this package."""
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(
        path.is_relative_to(folder) for folder in (_PACKAGE, *_standard_library())
    )


def is_neighbour(name: str, folder: Path) -> bool:
    """Return whether `import name` in a file of this folder imports a module or package in the folder.

    A file in the folder takes precedence over an installed module of the same name. A folder without `__init__.py`
    counts only if no module of that name is installed.
    """
    if name in _RESERVED:
        return False
    path = locate(name, folder)
    if path is None or path.is_file():
        return path is not None
    spec = _find_spec(name)
    return spec is None or spec.origin is None


def locate(name: str, root: Path) -> Path | None:
    """Return the file of a module, `__init__.py` of a package, the folder of a namespace package, or None."""
    base = root.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((path for path in candidates if path.is_file()), base if base.is_dir() else None)


def _follow(first: _Module) -> dict[str, SourceText]:
    sources: dict[str, SourceText] = {}
    pending = [first]
    while pending:
        module = pending.pop()
        if module.name in sources:
            continue
        sources[module.name] = source = read_source(module.path) if module.neighbour else _read_once(module.path)
        is_package = module.path.name == "__init__.py"
        package = module.name if is_package else module.name.rpartition(".")[0]
        for name, relative in _imported_names(source, package):
            pending += _parts(name, module.root, module.neighbour) if relative else _imported_parts(name, module)
    return sources


def _imported_parts(name: str, importer: _Module) -> Iterator[_Module]:
    """Yield the local modules that an absolute import loads: the module and the packages that contain it."""
    top = name.partition(".")[0]
    if importer.neighbour and is_neighbour(top, importer.root):
        yield from _parts(name, importer.root, neighbour=True)
    elif top not in _RESERVED and (root := _find_root(top)) is not None:
        yield from _parts(name, root, neighbour=False)


def _parts(name: str, root: Path, neighbour: bool) -> Iterator[_Module]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        if parts[count - 1] == "*":
            folder = root.joinpath(*parts[: count - 1])
            if (folder / "__init__.py").is_file():  # its __all__ can list any module of the folder
                for path in sorted(folder.glob("*.py")):
                    yield from _parts(".".join([*parts[: count - 1], path.stem]), root, neighbour)
            return
        module_path = locate(prefix := ".".join(parts[:count]), root)
        if module_path is None:
            return
        if module_path.is_file() and parts[count - 1] != "__init__":
            yield _Module(prefix, module_path, root, neighbour)
            if module_path.name != "__init__.py":
                return


def _find_root(top: str) -> Path | None:
    """Return the folder from which Python imports a top-level module; None if the module is installed or missing."""
    spec = _find_spec(top)
    if spec is None:
        return None
    if spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        return next((folder.parent for folder in folders if not is_installed(folder)), None)
    origin = Path(spec.origin) if spec.has_location and spec.origin else None
    return origin.parent if origin and origin.suffix == ".py" and not is_installed(origin) else None


def _find_spec(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):  # ValueError: a module in sys.modules has no spec
        return None


@cache
def _standard_library() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib"))


def read_source(path: Path) -> SourceText:
    """Read the text of a module.

    Raises:
        SyntaxError: The file is in UTF-16 or UTF-32, which Python doesn't read.
    """
    content = path.read_bytes()
    encoding = find_encoding(content)
    if not encoding.startswith("utf-8"):
        raise SyntaxError(f"{path.name} is text in {encoding.upper()}; expected UTF-8")
    return SourceText(path, content)


@cache
def _read_once(path: Path) -> SourceText:
    """Read a module once per process: Python caches imported modules, so later edits have no effect."""
    return read_source(path)


def _imported_names(source: SourceText, package: str) -> Iterator[tuple[str, bool]]:
    """Yield each dotted name that can be a module, and whether it was imported relative to its package."""
    try:
        tree = ast.parse(source.content)
    except (SyntaxError, ValueError):
        return  # importing the module raises the error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, False
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}" if node.module else alias.name
                yield from _absolute(name, node.level, package)
        elif isinstance(node, ast.Call) and node.args and "import_module" in ast.unparse(node.func):
            match node.args[0]:
                case ast.Constant(value=str(text)):  # importlib.import_module(".helper", __package__)
                    name = text.lstrip(".")
                    yield from _absolute(name, len(text) - len(name), package)


def _absolute(name: str, level: int, package: str) -> Iterator[tuple[str, bool]]:
    """Yield the absolute name of a relative import of `level` dots; nothing if it refers to a folder further up."""
    above = package.split(".") if package else []
    if level == 0:
        yield name, False
    elif level <= len(above) + 1:
        yield ".".join([*above[: len(above) - level + 1], name]), True
