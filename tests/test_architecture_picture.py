"""The program that renders the layers of the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.layers import LAYERS
from tools import architecture_picture


def test_the_picture_is_written(tmp_path: Path) -> None:
    architecture_picture.draw_picture(tmp_path / "layers.png")
    with Image.open(tmp_path / "layers.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 1200


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: min(layer))
def test_each_row_of_a_layer_fits(layer: set[str]) -> None:
    rows = architecture_picture.break_into_rows(sorted(layer))
    assert [name for row in rows for name in row] == sorted(layer)
    gap = architecture_picture.GAP
    assert (
        max(sum(architecture_picture.compute_width(name) + gap for name in row) for row in rows)
        < architecture_picture.HARNESS
    )


def test_a_folder_is_labelled_with_its_files() -> None:
    count = len(list((architecture_picture.ROOT / "oodbench" / "metrics").rglob("*.py")))
    assert architecture_picture.make_label("metrics") == f"metrics/  {count}"
    assert architecture_picture.make_label("errors") == "errors"
