"""Import of a Python file together with the modules next to it.

Each file gets its own package in sys.modules, whose folder is the folder of the file. Its imports, and those of its
neighbours, are rewritten before they are compiled: `import helper` becomes an import of `helper` in that package.
Therefore two folders can each have a `helper.py`, imports inside functions work at any time, and sys.path is unchanged.
An edited file gets another package, so a process never uses code that differs from the code that it has digested.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from typing_extensions import override

from oodbench.user_code.sources import (
    SourceText,
    digest_sources,
    find_sources,
    is_installed,
    is_neighbour,
    locate,
    read_source,
)
from oodbench.user_code.usage import record_used_code

USER_PACKAGES = "oodbench_user_"


@dataclass(frozen=True)
class ImportedFile:
    """An imported Python file.

    Attributes:
        module: The module.
        digest: SHA-256 of the file's text and of all local modules that it imports; independent of the folder.
    """

    module: ModuleType
    digest: str


def import_python_file(file: Path, stem: str | None = None) -> ImportedFile:
    """Import a Python file, which can import modules in its folder, immediately or later.

    The digest covers the modules in import statements and the modules that the file loads dynamically while it is
    imported. It does not cover data files. Importing the same text again returns the same module.

    Args:
        file: The file.
        stem: The name without `.py` that the file has in the digest; None: its own name.

    Raises:
        Exception: Any error of the file. `explain_missing_modules` converts the error of a missing module.
    """
    file = file.absolute()
    sources = find_sources(file)
    package = next((package for package in _packages.values() if package.is_current(file, sources)), None)
    if package is None:
        package = _Package(f"{USER_PACKAGES}{len(_packages)}", file, sources, dict(sources))
        _packages[package.name] = package
    if package.imported is None:
        package.imported = package.load()
    imported = ImportedFile(package.imported, package.digest(stem))
    record_used_code(imported.digest)
    return imported


def user_files() -> set[str]:
    """Return the paths of all imported user files and of the local files that they import."""
    return {str(source.path) for package in _packages.values() for source in package.sources.values()}


def strip_package(name: str) -> str:
    """Return a module's name as it is written in the user's file."""
    return name.partition(".")[2] if name.startswith(USER_PACKAGES) else name


@dataclass
class _Package:
    """Package into which one file is imported.

    Attributes:
        name: The package's name in sys.modules.
        file: The user's file.
        static: Texts of the file and of the local modules in import statements, by dotted name.
        sources: The same texts, and the texts of modules that were loaded dynamically.
        imported: The imported module; None before the import.
        digested: The texts that the import needed.
    """

    name: str
    file: Path
    static: dict[str, SourceText]
    sources: dict[str, SourceText]
    imported: ModuleType | None = None
    digested: dict[str, SourceText] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def main(self) -> str:
        """The module name of the user's file in the package, without dots, which would denote a subpackage."""
        return self.file.stem.replace(".", "_")

    def is_current(self, file: Path, static: dict[str, SourceText]) -> bool:
        """Return whether the package belongs to the file and no text has changed on disk."""
        if file != self.file or not self.static.keys() <= static.keys() or not static.items() <= self.sources.items():
            return False
        return all(
            source.path.is_file() and source.path.read_bytes() == source.content
            for name, source in self.sources.items()
            if name not in static and source.path.is_relative_to(self.folder)
        )

    def digest(self, stem: str | None) -> str:
        """Return the digest of the imported texts, with another name for the user's file unless `stem` is None."""
        main = self.file.stem
        return digest_sources({(stem or main) if name == main else name: s for name, s in self.digested.items()})

    def load(self) -> ModuleType:
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)
        importlib.invalidate_caches()
        with _dynamic_imports(self.folder) as loaded:
            module = importlib.import_module(f"{self.name}.{self.main}")
        # Sources are searched again, because the file can add folders to sys.path.
        self.sources = {**loaded, **find_sources(self.file), **self.sources}
        self.digested = dict(self.sources)
        return module

    def find(self, fullname: str) -> ModuleSpec | None:
        """Return the spec of the package itself or of a module in it."""
        name = fullname.partition(".")[2]
        path = self.folder if not name else self.file if name == self.main else locate(name, self.folder)
        if path is None:
            return None
        if path.is_dir():  # a namespace package, which has no file
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(path)]
            return spec
        folders = [str(path.parent)] if path.name == "__init__.py" and path != self.file else None
        loader = _Loader(fullname, str(path), self)
        return importlib.util.spec_from_file_location(fullname, path, loader=loader, submodule_search_locations=folders)

    def compile(self, fullname: str, path: Path) -> CodeType:
        """Compile the digested text. Cached bytecode is not used, because it can belong to an older text."""
        name = fullname.partition(".")[2]
        name = self.file.stem if name == self.main else name
        source = self.sources.setdefault(name, read_source(path))
        tree = _LocalImports(self).visit(ast.parse(source.content, str(path)))
        return compile(ast.fix_missing_locations(tree), str(path), "exec", dont_inherit=True)


class _LocalImports(ast.NodeTransformer):
    """Transformer that rewrites absolute imports of neighbours as imports from the package."""

    def __init__(self, package: _Package) -> None:
        self._package = package

    def _is_neighbour(self, name: str) -> bool:
        return is_neighbour(name.partition(".")[0], self._package.folder)

    @override
    def visit_Import(self, node: ast.Import) -> list[ast.Import]:
        """Rewrite `import a.b`, which binds `a`, and `import a.b as c`, which binds `a.b`."""
        aliases: list[ast.alias] = []
        for alias in node.names:
            if not self._is_neighbour(alias.name):
                aliases.append(alias)
                continue
            top = alias.name.partition(".")[0]
            aliases.append(ast.alias(f"{self._package.name}.{alias.name}", alias.asname or top))
            if alias.asname is None and alias.name != top:
                aliases.append(ast.alias(f"{self._package.name}.{top}", top))
        return [ast.copy_location(ast.Import([alias]), node) for alias in aliases]

    @override
    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Rewrite `from a.b import c`; relative imports need no change."""
        if node.level == 0 and node.module and self._is_neighbour(node.module):
            node.module = f"{self._package.name}.{node.module}"
        return node


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, package: _Package) -> None:
        super().__init__(fullname, path)
        self._package = package

    @override
    def get_code(self, fullname: str) -> CodeType:
        return self._package.compile(fullname, Path(self.path))


class _Finder(MetaPathFinder):
    """Finder for the modules of all packages of user files."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = _packages.get(fullname.partition(".")[0])
        return package.find(fullname) if package else None


_packages: dict[str, _Package] = {}
_finder = _Finder()


@contextmanager
def _dynamic_imports(folder: Path) -> Iterator[dict[str, SourceText]]:
    """Let `importlib.import_module("helper")` find modules in the folder, and collect their texts.

    The folder is last on sys.path, so that an installed library finds its modules before the user's files.
    Afterwards sys.path is restored, and modules of the folder are removed from sys.modules.
    """
    before, entry = set(sys.modules), str(folder)
    loaded: dict[str, SourceText] = {}
    sys.path.append(entry)
    try:
        yield loaded
    finally:
        position = next((i for i, path in reversed([*enumerate(sys.path)]) if path is entry), None)
        if position is not None:  # the file itself can replace sys.path
            del sys.path[position]
        for name in set(sys.modules) - before:
            path = Path(getattr(sys.modules[name], "__file__", None) or "")
            if path.is_file() and path == locate(name, folder) and not is_installed(path):
                loaded[name] = read_source(path)
                del sys.modules[name]
