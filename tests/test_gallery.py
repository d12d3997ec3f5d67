"""The gallery is what its program makes, and small."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
LARGEST = 1_500_000


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program, which is no part of the package."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("make_gallery")


def test_the_page_is_as_the_program_writes_it(gallery: Any) -> None:
    text = gallery.PAGE.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\(images/gallery/(.*)\)", text)
    table = text[text.index("| Method") :]
    assert gallery.page(pictures, table) == text
    assert "15.05 / 15.50" in table


def test_its_pictures_are_there_are_all_shown_and_together_small(gallery: Any) -> None:
    text = gallery.PAGE.read_text(encoding="utf-8")
    files = sorted(gallery.PICTURES.iterdir())
    assert {f"images/gallery/{path.name}" for path in files} == set(re.findall(r"\]\((images/gallery/.*)\)", text))
    assert len(files) == len(gallery.EXHIBITS)
    assert sum(path.stat().st_size for path in files) < LARGEST
    for path in files:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert pixels.shape[1] == 1050, path
        assert pixels.std() > 20, path
