"""Class of each value in the label files of a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.contracts import Roots
from oodbench.errors import DataError, DataNotFoundError
from tests.helpers import layouts
from tests.helpers.files import save
from tests.helpers.reading import REGISTRY


def classes_of(name: str, root: Path, split: str) -> dict[int, set[int]]:
    frame = REGISTRY.dataset(name).open(Roots((root,)))[split].frames[0]
    assert frame.label_file is not None
    assert frame.read_semantic_labels is not None
    raw = np.asarray(Image.open(frame.label_file))
    mapped = frame.read_semantic_labels().values
    return {int(value): set(mapped[raw == value].tolist()) for value in np.unique(raw)}


def test_street_hazards_labels_are_mapped_to_classes(tmp_path: Path) -> None:
    layouts.write_street_hazards_train(tmp_path)
    found = classes_of("street-hazards", tmp_path, "training")
    assert found == {value: {value - 1} for value in found}


def test_ade20k_labels_are_mapped_to_classes(tmp_path: Path) -> None:
    layouts.write_ade20k(tmp_path)
    found = classes_of("ade20k", tmp_path, "validation")
    assert found == {value: {value - 1} if value else {255} for value in found}
    with pytest.raises(DataNotFoundError):
        REGISTRY.dataset("street-hazards").open(Roots((tmp_path,)))


def test_coco_stuff_labels_with_gaps_are_mapped_to_classes(tmp_path: Path) -> None:
    layouts.write_coco_stuff(tmp_path)
    found = classes_of("coco-stuff", tmp_path, "train2017")
    ids = [identity for identity in range(1, 183) if identity not in layouts.COCO_NEVER_USED]
    assert found == {value: {255} if value == 255 else {ids.index(value + 1)} for value in found}
    names = REGISTRY.load("datasets", "coco-stuff").card.classes.names
    # Raw 0 is person, 12 stop sign (COCO's 13), 89 toothbrush, 91 banner, 181 wood.
    assert [names[next(iter({ids.index(raw + 1)}))] for raw in (0, 12, 89, 91, 181)] == [
        "person",
        "stop sign",
        "toothbrush",
        "banner",
        "wood",
    ]


def test_an_unused_id_of_coco_is_an_error(tmp_path: Path) -> None:
    layouts.write_coco_stuff(tmp_path)
    frame = REGISTRY.dataset("coco-stuff").open(Roots((tmp_path,)))["val2017"].frames[0]
    assert frame.label_file is not None
    assert frame.read_semantic_labels is not None
    save(frame.label_file, np.full((16, 32), 11, np.uint8))
    with pytest.raises(DataError, match="label value 11 is not declared"):
        frame.read_semantic_labels()


def test_raw_labels_of_coco_stuff_precede_converted_ones(tmp_path: Path) -> None:
    layouts.write_coco_stuff(tmp_path, "annotations", "_labelTrainIds")
    assert REGISTRY.dataset("coco-stuff").open(Roots((tmp_path,)))["val2017"].layout == "mmsegmentation"
    layouts.write_coco_stuff(tmp_path, "annotations")
    splits = REGISTRY.dataset("coco-stuff").open(Roots((tmp_path,)))
    assert {split: (part.layout, len(part.frames)) for split, part in splits.items()} == {
        "train2017": ("official", 2),
        "val2017": ("official", 2),
    }


def test_a_class_file_defines_the_labels(tmp_path: Path) -> None:
    layouts.write_labelled_folder(tmp_path)
    assert classes_of("labelled-folder", tmp_path, "val") == {0: {0}, 1: {1}, 2: {1}, 9: {255}, 300: {13}}
    assert REGISTRY.dataset("labelled-folder").classes(Roots((tmp_path,))).name == "cityscapes-19"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes = [", "not a readable TOML file"),
        ('classes = "cityscapes19"\n[values]\nroad = 0', "Did you mean 'cityscapes-19'"),
        ('classes = "cityscapes-19"\n[values]\nroads = 0', "Did you mean 'road'"),
        ('classes = "cityscapes-19"\n[values]\nroad = 0\ncar = 0', "the value 0 is given twice"),
        ('classes = "cityscapes-19"\nvoid = [0]\n[values]\nroad = 0', "the value 0 is given twice"),
        ('classes = "cityscapes-19"\n[values]\nroad = -1', "the value -1; expected"),
        ('classes = "cityscapes-19"\n[values]', "no values; expected"),
        ('classes = "cityscapes-19"\nvoids = [0]\n[values]\nroad = 0', "voids is unknown; did you mean void"),
        ('classes = "cityscapes-19"\n[values]\nroad = "0"', "values.road"),
    ],
)
def test_an_invalid_class_file_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    layouts.write_labelled_folder(tmp_path)
    (tmp_path / "classes.toml").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        REGISTRY.dataset("labelled-folder").open(Roots((tmp_path,)))
    assert "classes.toml" in str(error.value)
