"""The public names of the package, and the sections of their docstrings in Google's form."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MODULES = (
    "oodbench",
    "oodbench.contracts",
    "oodbench.types",
    "oodbench.errors",
    "oodbench.metrics",
    "oodbench.data",
    "oodbench.numerics",
    "oodbench.testing",
)

_SECTION = re.compile(r"(Args|Attributes|Examples|Raises|Returns|Yields):")
_ITEM = re.compile(r"(\*{0,2}[\w.]+):(?: |$)")


@dataclass(frozen=True)
class PublicName:
    """A public name with its object.

    Attributes:
        module: The public module that lists the name.
        name: The name.
        value: The object.
    """

    module: str
    name: str
    value: Any

    @property
    def path(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def is_documented_by_itself(self) -> bool:
        """Whether the object can have a docstring, as classes and functions do."""
        return inspect.isclass(self.value) or inspect.isfunction(self.value)


def public_names() -> list[PublicName]:
    """Return all public names in the order of their lists, without those that are packages."""
    names = [
        PublicName(module, name, getattr(importlib.import_module(module), name))
        for module in MODULES
        for name in importlib.import_module(module).__all__
    ]
    return [public for public in names if not inspect.ismodule(public.value)]


def public_functions(public: PublicName) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the function, or the public methods that a class defines and documents, each with its name."""
    if inspect.isfunction(public.value):
        yield public.name, public.value
    elif inspect.isclass(public.value):
        for name, member in vars(public.value).items():
            function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
            if inspect.isfunction(function) and not name.startswith("_"):
                yield f"{public.name}.{name}", function


def public_properties(public: PublicName) -> Iterator[tuple[str, Any]]:
    """Yield the public properties of a class, each with its name."""
    if inspect.isclass(public.value):
        for name, member in vars(public.value).items():
            if isinstance(member, property | functools.cached_property) and not name.startswith("_"):
                yield f"{public.name}.{name}", member


def docstring(value: Any) -> str:
    """Return the docstring of the object itself; empty if it has none."""
    return inspect.cleandoc(vars(value).get("__doc__") or "" if inspect.isclass(value) else value.__doc__ or "")


def summary(value: Any) -> str:
    """Return the first paragraph of the docstring as one line."""
    return " ".join(docstring(value).split("\n\n")[0].split())


def sections(text: str) -> dict[str, str]:
    """Return the content of each section of a docstring, without its indentation."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in text.splitlines():
        title = _SECTION.fullmatch(line)
        if title:
            current = found.setdefault(title[1], [])
        elif line and not line.startswith(" "):
            current = None
        elif current is not None:
            current.append(line)
    return {title: inspect.cleandoc("\n" + "\n".join(lines)) for title, lines in found.items()}


def items(text: str, section: str) -> dict[str, str]:
    """Return the items of a section, name -> description in one line."""
    found: dict[str, list[str]] = {}
    for line in sections(text).get(section, "").splitlines():
        item = _ITEM.match(line)
        if item:
            found[item[1].lstrip("*")] = [line[item.end() :]]
        elif line.startswith(" ") and found:
            found[list(found)[-1]].append(line)
        elif line:
            found[line] = []  # no item: compared with the names, it is unknown
    return {name: " ".join(" ".join(lines).split()) for name, lines in found.items()}


def attributes(kind: type) -> dict[str, str]:
    """Return the documented attributes of a class, those of its bases first."""
    documented: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("oodbench"):
            documented |= items(docstring(base), "Attributes")
    return documented
