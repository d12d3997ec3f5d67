"""Imports between the modules of the package, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path


def import_graph(package: Path) -> dict[str, set[str]]:
    """Return for each module of a package those of its modules that it imports.

    Imports inside functions count. Imports only for the type checker (`if TYPE_CHECKING:`) do not.

    Args:
        package: Folder of the package; its name is the package's name.
    """
    files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    return {
        name: {target for target in _find_imports(path.read_text(encoding="utf-8"), files) if target != name}
        for name, path in files.items()
    }


def find_cycles(graph: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """Return the sets of modules that import each other, directly or through others."""
    reachable = {name: _find_reachable(name, graph) for name in graph}
    return {
        frozenset(other for other in reachable[name] if name in reachable[other])
        for name in graph
        if name in reachable[name]
    }


def _module_name(path: Path, package: Path) -> str:
    names = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _find_imports(text: str, modules: Iterable[str]) -> Iterator[str]:
    for node in _runtime_nodes(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                target = submodule if submodule in modules else node.module
                if target in modules:
                    yield target


def _runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but skip `if TYPE_CHECKING` blocks."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield from _runtime_nodes(child)


def _find_reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph[name])
    return found
