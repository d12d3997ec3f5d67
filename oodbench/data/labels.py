"""Label files and the rules that declare what their values mean. An undeclared value is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oodbench.data.images import read_image, read_image_size, read_indices
from oodbench.errors import DataError
from oodbench.types import VOID, AnomalyLabels, ClassSet, Frame, SemanticLabels

_UNDECLARED = 254


@dataclass(frozen=True)
class LabelRule:
    """The meaning of each value in the label files of a benchmark or dataset.

    Attributes:
        meaning: Maps each value in a file to its meaning. For anomaly labels, this is 0 (`IN_DISTRIBUTION`) or 1
            (`ANOMALY`); for semantic labels, it is a class index. 255 (`VOID`) is for pixels that are not counted. A
            value in a file that is not in this mapping is an error.
        hint: Remedy for the error message if a file has another value.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from oodbench.data import LabelRule
        >>> from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID
        >>> rule = LabelRule({0: VOID, 1: IN_DISTRIBUTION, 2: ANOMALY}, "Unpack the labels again.")
        >>> Image.fromarray(np.array([[0, 1, 2]], np.uint8)).save("labels.png")
        >>> rule.apply(Path("labels.png")).tolist()
        [[255, 0, 1]]
    """

    meaning: Mapping[int, int]
    hint: str

    def apply(self, path: Path) -> NDArray[np.uint8]:
        """Read a label file and replace its values by their meaning.

        Args:
            path: Label file with integer values.

        Returns:
            uint8 [H, W], the meaning of each pixel's value.

        Raises:
            DataError: The file can't be read, or contains a value that `meaning` lacks.
        """
        raw = read_indices(path)
        table = np.full(max(256, max(self.meaning) + 2), _UNDECLARED, np.uint8)
        for value, normalised in self.meaning.items():
            table[value] = normalised
        if raw.dtype.itemsize == 1:
            # Imported here because it loads a compiler, which commands that read no labels don't need.
            from oodbench.data.value_runs import apply_lookup_table

            values: NDArray[np.uint8] = np.require(raw.view(np.uint8), requirements=["C", "W"])
            undeclared = apply_lookup_table(values, table[:256], _UNDECLARED)
        else:
            values = table[np.clip(raw, 0, len(table) - 1)]
            values[raw < 0] = _UNDECLARED
            undeclared = bool(np.any(values == _UNDECLARED))
        if undeclared:
            present = {int(value) for value in np.unique(read_indices(path))}
            unknown = sorted(present - set(self.meaning))
            raise DataError(
                f"{path}: label value {', '.join(map(str, unknown[:5]))} is not declared; "
                f"expected {_format_ranges(self.meaning)}",
                self.hint,
            )
        return values


def _format_ranges(values: Mapping[int, int]) -> str:
    """Format the declared values as ranges, such as `0, 2..255`."""
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


@dataclass(frozen=True)
class AnomalyLabelReader:
    """A reader of one file of anomaly labels, for `Frame.read_anomaly_labels`.

    Attributes:
        path: Label file.
        rule: Meaning of its values.
    """

    path: Path
    rule: LabelRule

    def __call__(self) -> AnomalyLabels:
        """Read the file.

        Raises:
            DataError: The file can't be read, or holds a value that the rule doesn't declare.
        """
        return AnomalyLabels(self.rule.apply(self.path))


@dataclass(frozen=True)
class SemanticLabelReader:
    """A reader of one file of semantic labels, for `Frame.read_semantic_labels`.

    Attributes:
        path: Label file.
        rule: Meaning of its values, as indices into `classes`.
        classes: Class set of the labels.
    """

    path: Path
    rule: LabelRule
    classes: ClassSet

    def __call__(self) -> SemanticLabels:
        """Read the file.

        Raises:
            DataError: The file can't be read, or holds a value that the rule doesn't declare.
        """
        return SemanticLabels(self.rule.apply(self.path), self.classes)


def file_frame(
    frame_id: str,
    group: str,
    image: Path,
    label: Path | None = None,
    rule: LabelRule | None = None,
    classes: ClassSet | None = None,
) -> Frame:
    """Create a frame from an image file and a label file.

    Args:
        frame_id: Id of the frame, unique within the benchmark or within the split of the dataset.
        group: Scene or city of the frame; frames of one group are not statistically independent.
        image: Image file.
        label: Label file. If it or `rule` is None, the frame has no labels.
        rule: Meaning of the values in the label file.
        classes: Class set of semantic labels; None: the labels are anomaly labels.

    Returns:
        The frame. Its files are opened only when one of its `read_*` functions is called.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from oodbench.data import VOID_RULE, LabelRule, file_frame
        >>> Image.new("RGB", (3, 1)).save("0.png")
        >>> Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save("0_labels.png")
        >>> rule = LabelRule(VOID_RULE, "Unpack the labels again.")
        >>> frame = file_frame("0", "scene", Path("0.png"), Path("0_labels.png"), rule)
        >>> frame.read_size(), frame.read_anomaly_labels().values.tolist()
        ((1, 3), [[0, 1, 255]])
    """
    if label is None or rule is None:
        return Frame(frame_id, group, partial(read_image_size, image), partial(read_image, image), image_file=image)
    return Frame(
        id=frame_id,
        group=group,
        read_size=partial(read_image_size, image),
        read_image=partial(read_image, image),
        read_anomaly_labels=None if classes else AnomalyLabelReader(label, rule),
        read_semantic_labels=SemanticLabelReader(label, rule, classes) if classes else None,
        image_file=image,
        label_file=label,
        identity=str(sorted(rule.meaning.items())),
    )


VOID_RULE = {0: 0, 1: 1, 255: VOID}
"""Meaning of the label values of Fishyscapes, SegmentMeIfYouCan and most copies of other benchmarks, for `LabelRule`.

0 is in-distribution, 1 is an anomaly, and 255 is void (not counted)."""
