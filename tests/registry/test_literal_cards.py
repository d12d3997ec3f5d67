"""Cards of methods that are read without importing the methods."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.registry import Registry
from oodbench.registry.literal_cards import read_literal_card

REGISTRY = Registry()

FIELDS = '"probe", "Probe", paper=PAPER, url="https://example.org"'
FILE = """
PAPER = "none"


class Probe(PixelMethod):
    card = {card}
"""


@pytest.mark.parametrize("name", REGISTRY.names("methods"))
def test_the_cards_of_this_package_are_literal(name: str) -> None:
    (entry,) = (entry for entry in REGISTRY.entries("methods") if entry.name == name)
    assert read_literal_card(entry.file, entry.attribute) == entry.load().card == REGISTRY.method_card(name)


def test_constants_of_the_file_are_read(tmp_path: Path) -> None:
    file = tmp_path / "probe.py"
    file.write_text(FILE.format(card=f"MethodCard({FIELDS})"))
    card = read_literal_card(file, "Probe")
    assert card is not None
    assert (card.name, card.title, card.paper, card.version) == ("probe", "Probe", "none", 1)


@pytest.mark.parametrize(
    "card", ["CARD", "make_card()", f"MethodCard({FIELDS}, version=1 + N)", "MethodCard(**FIELDS)"]
)
def test_a_computed_card_is_not_read(tmp_path: Path, card: str) -> None:
    file = tmp_path / "probe.py"
    file.write_text(FILE.format(card=card))
    assert read_literal_card(file, "Probe") is None
    assert read_literal_card(file, "Other") is None
