"""Any folder of frames with semantic labels, and a file classes.toml that defines the label values.

classes = "cityscapes-19"    # a class set that oodbench knows
void = [255]

[values]
road = 0
sidewalk = [1, 9]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from oodbench.class_sets import CLASS_SETS
from oodbench.contracts import Dataset, DatasetCard, Roots
from oodbench.data import LabelRule, convert_read_errors, file_frame, find_layout, index_images, pair_by_stem
from oodbench.errors import DataError, UnknownNameError
from oodbench.files import read_text
from oodbench.types import VOID, ClassSet, FrameSet
from oodbench.validation import explain

PLUGINS = {"datasets": {"labelled-folder": ("LabelledFolder", "your own frames with labels and a class file")}}

_FILE = "classes.toml"


class _ClassFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    classes: str
    values: dict[str, int | list[int]]
    void: list[int] = []


class LabelledFolder(Dataset):
    """The user's own frames.

    Methods are fitted on `train` and calibrated on `val`. Without these folders, all frames belong to `train`.
    """

    card = DatasetCard(
        name="labelled-folder",
        title="Own frames",
        paper="yours",
        url="docs/reference/benchmarks.md",
        licence="yours",
        classes=None,
        splits={"train": 0, "val": 0},
        layouts={
            "splits": "classes.toml, images/{train,val}/<name>.* and labels/{train,val}/<name>.png",
            "flat": "classes.toml, images/<name>.* and labels/<name>.png",
        },
        obtain="Put classes.toml next to images/ and labels/ (docs/reference/benchmarks.md), and give the folder: "
        "--id-data DIR",
    )

    @override
    def open(self, roots: Roots) -> Mapping[str, FrameSet]:
        layout, folder = self._find(roots)
        classes, rule = _read(folder / _FILE)
        sets = {}
        with convert_read_errors(folder):
            for split in self.card.splits if layout == "splits" else ("train",):
                part = split if layout == "splits" else "."
                images, labels = index_images(folder / "images" / part), index_images(folder / "labels" / part)
                frames = tuple(
                    file_frame(f"{split}/{name}", f"{split}/{name}", image, label, rule, classes)
                    for name, image, label in pair_by_stem(images, labels, folder / "images" / part)
                )
                if frames:
                    sets[split] = FrameSet(frames, layout, folder, len(frames))
        return sets

    @override
    def classes(self, roots: Roots) -> ClassSet:
        _, folder = self._find(roots)
        return _read(folder / _FILE)[0]

    def _find(self, roots: Roots) -> tuple[str, Path]:
        card = self.card
        recognisers = {"splits": _has_splits, "flat": _is_ours}
        return find_layout(card.name, roots, recognisers, card.layouts, card.obtain)


def _is_ours(folder: Path, named: bool) -> bool:
    return all((folder / part).is_dir() for part in ("images", "labels")) and (folder / _FILE).is_file()


def _has_splits(folder: Path, named: bool) -> bool:
    return _is_ours(folder, named) and any((folder / "images" / s).is_dir() for s in LabelledFolder.card.splits)


def _read(path: Path) -> tuple[ClassSet, LabelRule]:
    """Read the class set and the label rule from a class file.

    Raises:
        DataError: The file is not TOML, or has an unknown field, an unknown class set or class, or a duplicate value.
    """
    try:
        file = _ClassFile.model_validate(tomllib.loads(read_text(path)))
    except ValidationError as error:
        raise DataError(
            f"{path}: {'; '.join(explain(error, tuple(_ClassFile.model_fields)))}",
            "See docs/reference/benchmarks.md for the format.",
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not a readable TOML file ({error})", "See docs/reference/benchmarks.md for the format."
        ) from None
    if file.classes not in CLASS_SETS:
        raise DataError(str(UnknownNameError(f"class set in {path}", file.classes, CLASS_SETS)), "Correct the file.")
    classes = CLASS_SETS[file.classes]
    meaning = dict.fromkeys(file.void, VOID)
    for name, values in file.values.items():
        if name not in classes.names:
            raise DataError(
                str(UnknownNameError(f"class of {classes.name} in {path}", name, classes.names)), "Correct the file."
            )
        for value in [values] if isinstance(values, int) else values:
            if value in meaning:
                raise DataError(f"{path}: the value {value} is given twice", "Give each label value one meaning.")
            meaning[value] = classes.names.index(name)
    strange = [value for value in meaning if not 0 <= value <= 65535]
    if strange or not meaning:
        what = f"the value {strange[0]}" if strange else "no values"
        raise DataError(
            f"{path}: {what}; expected label values from 0 to 65535", "See docs/reference/benchmarks.md for the format."
        )
    return classes, LabelRule(meaning, f"Assign each label value to a class or to void, in {path}.")
