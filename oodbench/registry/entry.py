"""Entries of the registry: declared public names, import of their files, and identity of their code."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from oodbench.contracts import Adapter, Benchmark, Dataset, Head, Method, MethodCard, Report, Submission
from oodbench.errors import PluginError, UnknownNameError, UntrustedCodeError
from oodbench.files import digest_bytes
from oodbench.registry.literal_cards import read_literal_card
from oodbench.text import find_control, find_fault, find_public_fault, shorten
from oodbench.user_code import digest_module, explain_missing_modules, import_python_file, is_installed, read_source

KINDS: Mapping[str, type] = {
    "methods": Method,
    "benchmarks": Benchmark,
    "datasets": Dataset,
    "models": Adapter,
    "heads": Head,
    "reports": Report,
    "submissions": Submission,
}
"""Maps each kind of plugin to the contract that its plugins implement."""


@dataclass(frozen=True)
class PluginCode:
    """Functions that import a plugin file and identify its code.

    Attributes:
        import_module: Function that imports the file.
        digest: Function that returns the digest of the code; None for plugins of this package.
        packaged: Whether the file belongs to this package.
    """

    import_module: Callable[[], ModuleType]
    digest: Callable[[], str | None]
    packaged: bool = False


@dataclass(frozen=True)
class Entry:
    """A declared plugin, which is imported on request.

    Attributes:
        kind: The kind of plugin, such as `methods`.
        name: The public name.
        summary: One line for `oodbench list`.
        file: The file that declares the plugin.
        attribute: The name of the class in the file.
        code: Functions that import the file and identify its code.
    """

    kind: str
    name: str
    summary: str
    file: Path
    attribute: str
    code: PluginCode

    def load(self) -> Any:
        """Import the file and return the plugin's class.

        Raises:
            PluginError: The file can't be imported, or it does not define the class.
        """
        with self._explain_errors():
            plugin = getattr(self.code.import_module(), self.attribute)
        if not (isinstance(plugin, type) and issubclass(plugin, KINDS[self.kind])):
            raise PluginError(
                f"{self.file}: '{self.attribute}' is not a subclass of oodbench.contracts.{KINDS[self.kind].__name__}",
                "Correct the name of the class in PLUGINS, or derive the class from the contract.",
            )
        card: Any = getattr(plugin, "card", None)
        if getattr(card, "name", None) != self.name:
            raise PluginError(
                f"{self.file}: {self.attribute} is called '{self.name}' in PLUGINS and "
                f"'{getattr(card, 'name', None)}' on its card",
                "Use the same name in both.",
            )
        check_card(card, f"{self.file}: {self.attribute}")
        return plugin

    def method_card(self) -> MethodCard:
        """Return the card of a method. A method of this package is only imported if its card is not literal."""
        card = read_literal_card(self.file, self.attribute) if self.code.packaged else None
        if card is None:
            card = self.load().card
        return card

    def source_digest(self) -> str | None:
        """Return the digest of the plugin's code; see `Registry.source_digest`."""
        with self._explain_errors():
            return self.code.digest()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            with explain_missing_modules(self.file):
                yield
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"{self.file}: the plugin '{self.name}' can't be imported ({type(error).__name__}: {error})",
                "Fix the file, or run without it.",
            ) from error


def check_card(card: Any, where: str) -> None:
    """Check the texts on a card, which are shown in terminals, tables and file names.

    Args:
        card: The card, a dataclass.
        where: The plugin, for the error.

    Raises:
        PluginError: A text has control characters, the title has several lines, or a name can't be a public name.
    """
    for field in fields(card) if is_dataclass(card) else ():
        value = getattr(card, field.name)
        find = {"name": find_public_fault, "title": find_fault}.get(field.name, find_control)
        texts = (
            [*value, *value.values()] if isinstance(value, Mapping) else [value] if isinstance(value, str) else value
        )
        for text in texts if isinstance(texts, list | tuple) else ():
            if isinstance(text, str) and (fault := find(text)):
                raise PluginError(f"{where}: {field.name} {shorten(text)} on its card: {fault}", "Correct the card.")


def read_declarations(file: Path, code: PluginCode) -> list[Entry]:
    """Read the PLUGINS literal of a file.

    Args:
        file: The file; it is not imported.
        code: Functions that import the file and identify its code.

    Raises:
        PluginError: The file is not valid Python, or PLUGINS is not a literal of the expected form.
    """
    try:
        text = read_source(file).content
        if b"PLUGINS" not in text:  # parsing takes most of the time that `oodbench list` needs
            return []
        tree = ast.parse(text, str(file))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: deep nesting
        raise PluginError(f"{file}: can't be read as Python ({error})", "Correct the file.") from None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "PLUGINS" for t in targets):
            try:
                return [
                    Entry(kind, name, summary, file, attribute, code)
                    for kind, names in ast.literal_eval(node.value).items()
                    for name, (attribute, summary) in names.items()
                    if (kind in KINDS or _check_kind(file, kind)) and _check_declaration(file, name, summary)
                ]
            except (ValueError, TypeError, AttributeError, RecursionError, MemoryError):
                raise PluginError(
                    f"{file}: PLUGINS is not a literal of the expected form",
                    'Write it as {"methods": {"name": ("Class", "one line")}}.',
                ) from None
    return []


def _check_kind(file: Path, kind: str) -> bool:
    raise UnknownNameError(f"kind of plugin in {file}", kind, KINDS)


def _check_declaration(file: Path, name: str, summary: str) -> bool:
    for noun, text, fault in (("name", name, find_public_fault(name)), ("summary", summary, find_control(summary))):
        if fault:
            raise PluginError(f"{file}: the {noun} {shorten(text)} in PLUGINS: {fault}", "Correct it in PLUGINS.")
    return True


def code_of_package(module: str) -> PluginCode:
    """Return the code of a plugin of this package. It has no digest, because its card has a version."""
    return PluginCode(lambda: importlib.import_module(module), lambda: None, packaged=True)


def code_of_file(path: Path, stem: str | None) -> PluginCode:
    """Return the code of a `--plugin` file, identified by the file and its local modules.

    Args:
        path: The file.
        stem: The name without `.py` that the file has in its digest; None: its own name.
    """
    # Cached, so that the registry uses one version of the file even if it is edited.
    import_once = cache(lambda: import_python_file(path, stem))
    return PluginCode(lambda: import_once().module, lambda: import_once().digest)


def code_of_untrusted_file(path: Path) -> PluginCode:
    """Return the code of a plugin file that only a run names. Importing or identifying it is an error."""

    def refuse() -> NoReturn:
        raise UntrustedCodeError(
            path,
            "--plugin or --trust",
            f"If you trust its author, give --plugin {path}, or --trust for all code that the run names; in Python, "
            "oodbench.load(RUN, plugins=[FILE]) or oodbench.load(RUN, trust=True).",
        )

    return PluginCode(refuse, refuse)


def code_of_entry_point(point: EntryPoint, file: Path) -> PluginCode:
    """Return the code of an entry point.

    It is identified by the version of its distribution or, if the distribution is editable, by its files.
    """

    def digest() -> str:
        if point.dist is not None and is_installed(file):
            return digest_bytes(f"{point.dist.name} {point.dist.version}".encode())
        return digest_module(point.module, file)

    return PluginCode(lambda: importlib.import_module(point.module), cache(digest))
