"""What the contracts of all kinds of plugins share: where the plugin is, and that the registry finds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from oodbench.registry import Registry


class PluginContract:
    """The base of the contracts.

    Attributes:
        plugin: the plugin's file; None for one that is installed.
        name: its public name.
        kind: which of the registry's kinds it is.
    """

    plugin: Path | None = None
    name: str
    kind: str

    def registry(self) -> Registry:
        """The registry, with the plugin's file where there is one."""
        return self._registry

    @cached_property
    def _registry(self) -> Registry:
        return Registry(() if self.plugin is None else (Path(self.plugin).absolute(),))

    def load(self) -> Any:
        """The plugin's class."""
        return self.registry().load(self.kind, self.name)

    def test_it_is_found_under_its_name(self) -> None:
        """PLUGINS declares it with one line of description; the class loads, and its card has the same name."""
        registry = self.registry()
        assert self.name in registry.names(self.kind), (
            f"no {self.kind} are called '{self.name}'; PLUGINS declares {registry.names(self.kind)}"
        )
        (entry,) = (entry for entry in registry.entries(self.kind) if entry.name == self.name)
        summary = entry.summary.strip()
        assert summary, f"{entry.file}: '{self.name}' has no description in PLUGINS; expected one line"
        assert "\n" not in summary, f"{entry.file}: '{self.name}' is described by several lines; expected one"
        entry.load()


def raised(call: Callable[[], object]) -> Exception | None:
    """The exception that a call ends with, or None."""
    try:
        call()
    except Exception as error:
        return error
    return None


def assert_filled(card: Any, *fields: str) -> None:
    """Each of these fields of a card says something."""
    for field in fields:
        assert getattr(card, field), f"{card.name}: {field} in its card is empty"
