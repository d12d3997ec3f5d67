"""Label files under a declared rule: a value that the rule doesn't name is an error, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oodbench.data.images import image_size, read_image, read_indices
from oodbench.errors import DataError
from oodbench.types import VOID, AnomalyLabels, ClassSet, Frame, SemanticLabels

_UNDECLARED = 254


@dataclass(frozen=True)
class LabelRule:
    """What each value in a label file stands for.

    Attributes:
        meaning: file value -> normalised value (an anomaly label or a class index; `VOID` for what doesn't count).
        hint: what to suggest when a file has another value.
    """

    meaning: Mapping[int, int]
    hint: str

    def apply(self, path: Path) -> NDArray[np.uint8]:
        """uint8 [H, W], the file's values normalised.

        Raises:
            DataError: the file can't be read, or holds a value that the rule doesn't declare.
        """
        raw = read_indices(path)
        table = np.full(max(256, max(self.meaning) + 2), _UNDECLARED, np.uint8)
        for value, normalised in self.meaning.items():
            table[value] = normalised
        if raw.dtype.itemsize == 1:
            from oodbench.data.value_runs import look_up  # not for verbs that read no labels: it loads a compiler

            values: NDArray[np.uint8] = np.require(raw.view(np.uint8), requirements=["C", "W"])
            undeclared = look_up(values, table[:256], _UNDECLARED)
        else:
            values = table[np.clip(raw, 0, len(table) - 1)]
            values[raw < 0] = _UNDECLARED
            undeclared = bool(np.any(values == _UNDECLARED))
        if undeclared:
            found = {int(value) for value in np.unique(read_indices(path))}
            strange = sorted(found - set(self.meaning))
            raise DataError(
                f"{path}: label value {', '.join(map(str, strange[:5]))} is not declared; "
                f"expected {_ranges(self.meaning)}",
                self.hint,
            )
        return values


def _ranges(values: Mapping[int, int]) -> str:
    """`0, 2..255` for the declared values."""
    ordered, parts = sorted(values), []
    start = previous = ordered[0]
    for value in [*ordered[1:], None]:
        if value is not None and value == previous + 1:
            previous = value
            continue
        parts.append(str(start) if start == previous else f"{start}..{previous}")
        if value is not None:
            start = previous = value
    return ", ".join(parts)


def file_frame(
    identity: str,
    group: str,
    image: Path,
    label: Path | None = None,
    rule: LabelRule | None = None,
    classes: ClassSet | None = None,
) -> Frame:
    """A frame that lies on disk; with `classes` its labels are semantic, without they are anomaly labels.

    Where there is neither a label file nor a rule, the frame has no labels.
    """
    if label is None or rule is None:
        return Frame(identity, group, partial(image_size, image), partial(read_image, image), image_file=image)
    return Frame(
        id=identity,
        group=group,
        read_size=partial(image_size, image),
        read_image=partial(read_image, image),
        read_anomaly_labels=None if classes else lambda: AnomalyLabels(rule.apply(label)),
        read_semantic_labels=(lambda: SemanticLabels(rule.apply(label), classes)) if classes else None,
        image_file=image,
        label_file=label,
        identity=str(sorted(rule.meaning.items())),
    )


VOID_RULE = {0: 0, 1: 1, 255: VOID}
"""0 in-distribution, 1 anomaly, 255 void: Fishyscapes, SegmentMeIfYouCan and most packs."""
