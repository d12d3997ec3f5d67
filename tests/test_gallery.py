"""The gallery equals the output of its program and is small."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from tools import gallery

LARGEST = 1_500_000


def test_the_page_equals_the_output_of_the_program() -> None:
    text = gallery.PAGE.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\(\.\./images/gallery/(.*)\)", text)
    table = text[text.index("| Method") :]
    assert gallery.make_page(pictures, table) == text
    assert "15.05 / 15.50" in table


def test_all_pictures_exist_are_shown_and_are_small() -> None:
    text = gallery.PAGE.read_text(encoding="utf-8")
    files = sorted(gallery.PICTURES.iterdir())
    assert {f"../images/gallery/{path.name}" for path in files} == set(
        re.findall(r"\]\((\.\./images/gallery/.*)\)", text)
    )
    assert len(files) == len(gallery.EXHIBITS)
    assert sum(path.stat().st_size for path in files) < LARGEST
    for path in files:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        assert pixels.shape[1] == 1050, path
        assert pixels.std() > 20, path
