"""The base of all contracts: it locates the plugin and checks that the registry finds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from oodbench.registry import Registry


class PluginContract:
    """The base class of the contract tests, which plugins of one kind must pass.

    Attributes:
        plugin: The Python file of the plugin; None if the plugin is installed as a package.
        name: The name of the plugin.
        kind: The kind of the plugin, such as `methods`; each contract sets it.
    """

    plugin: Path | None = None
    name: str
    kind: str

    def registry(self) -> Registry:
        """Return the registry of all plugins, including the one in `plugin`."""
        return self._registry

    @cached_property
    def _registry(self) -> Registry:
        return Registry(() if self.plugin is None else (Path(self.plugin).absolute(),))

    def load(self) -> Any:
        """Return the class of the plugin."""
        return self.registry().load(self.kind, self.name)

    def test_it_is_registered_under_its_name(self) -> None:
        """Check that `PLUGINS` declares the plugin with one line of description, and that its card has the name."""
        registry = self.registry()
        assert self.name in registry.names(self.kind), (
            f"no {self.kind} are named '{self.name}'; PLUGINS declares {registry.names(self.kind)}"
        )
        (entry,) = (entry for entry in registry.entries(self.kind) if entry.name == self.name)
        summary = entry.summary.strip()
        assert summary, f"{entry.file}: '{self.name}' has no description in PLUGINS; expected one line"
        assert "\n" not in summary, f"{entry.file}: the description of '{self.name}' has several lines; expected one"
        entry.load()


def raised(call: Callable[[], object]) -> Exception | None:
    """Return the exception that a call raises, or None."""
    try:
        call()
    except Exception as error:
        return error
    return None


def assert_filled(card: Any, *fields: str) -> None:
    """Assert that none of these fields of a card is empty."""
    for field in fields:
        assert getattr(card, field), f"{card.name}: {field} in its card is empty"
