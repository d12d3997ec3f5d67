"""The glossary: one entry per term, and existing names of code."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

GLOSSARY = Path(__file__).parents[1] / "docs" / "reference" / "glossary.md"


def resolve(name: str) -> Any:
    """Import the longest module in a dotted name and look up the rest in it.

    Raises:
        AttributeError: The name does not exist.
    """
    module, _, rest = name.partition(".")
    found: Any = importlib.import_module(module)
    for part in rest.split("."):
        module = f"{module}.{part}"
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            found = getattr(found, part)
    return found


def test_each_term_has_one_entry() -> None:
    words = [word.lower() for word in re.findall(r"^- \*\*(.+?)\*\*: ", GLOSSARY.read_text(), re.MULTILINE)]
    assert len(words) > 50
    assert len(words) == len(set(words))


def test_the_names_in_the_glossary_exist() -> None:
    names = re.findall(r"`(oodbench\.[\w.]+)`", GLOSSARY.read_text())
    assert len(names) > 20
    for name in names:
        resolve(name)
