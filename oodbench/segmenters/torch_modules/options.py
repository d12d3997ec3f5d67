"""Resolution and checks of the options of `TorchSegmenter`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from oodbench.errors import ModelError, UnknownNameError
from oodbench.segmenters.model_card import Classes, Preprocessing, find_class_set, leave_no_gaps
from oodbench.segmenters.torch_modules.windows import Windowing
from oodbench.types import ClassSet, Size

NORMALIZATIONS: Mapping[str, Preprocessing] = {
    "imagenet": Preprocessing(channels="rgb", divide_by=255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "divide-255": Preprocessing(channels="rgb", divide_by=255),
    "none": Preprocessing(channels="rgb", divide_by=1),
}
"""Preprocessing by name. All use RGB; `none` leaves the values in 0..255."""


def resolve_classes(
    classes: str | ClassSet | Sequence[str], order: Sequence[str] | None, name: str
) -> tuple[ClassSet, tuple[int, ...] | None]:
    """Return the class set, and the module's channel for each of its classes.

    Args:
        classes: The name of a class set, a class set, or class names in the order of the module's channels.
        order: The class names in the order of the module's channels; None: that of the class set.
        name: The network's name, for the error.

    Returns:
        The class set and the channels; None instead of the channels if the order is the same.
    """
    if isinstance(classes, str):
        return Classes(set=classes, order=None if order is None else tuple(order)).resolve()
    if not isinstance(classes, ClassSet):
        names = tuple(classes)
        if order is not None:
            raise ModelError(
                f"{name}: classes= gives the names in the order of the module's channels, and class_order= does too",
                "Give only classes=, or the name of a class set with class_order=.",
            )
        known = find_class_set(names)
        return known.resolve() if known else (ClassSet("custom", names), None)
    if order is None or tuple(order) == classes.names:
        return classes, None
    if sorted(order) != sorted(classes.names):
        different = sorted(set(order) ^ set(classes.names))
        raise ModelError(
            f"{name}: class_order is not a reordering of {classes.name}: "
            f"{', '.join(map(str, different)) or 'it contains a name twice'}",
            "List each class of the class set once, in the order of the module's channels.",
        )
    return classes, tuple(tuple(order).index(class_name) for class_name in classes.names)


def resolve_input(normalize: str | Preprocessing, size: Size | None) -> Preprocessing:
    """Return the preprocessing with an input size.

    Args:
        normalize: The name of a preprocessing, or a preprocessing.
        size: The input size (height, width); None: that of the preprocessing.
    """
    if isinstance(normalize, str):
        if normalize not in NORMALIZATIONS:
            raise UnknownNameError("preprocessing", normalize, NORMALIZATIONS)
        normalize = NORMALIZATIONS[normalize]
    if size is None:
        return normalize
    if normalize.size is not None and normalize.size != tuple(size):
        raise ModelError(
            f"size is {tuple(size)}, and normalize has the size {normalize.size}; expected one size",
            "Omit one of them.",
        )
    return Preprocessing.model_validate({**normalize.model_dump(), "size": tuple(size)})


def resolve_windows(windows: tuple[Size, Size] | None, name: str) -> Windowing | None:
    """Return the sliding windows with a size and stride.

    Args:
        windows: Size and stride, each (height, width); None: the whole image at once.
        name: The network's name, for the error.
    """
    if windows is None:
        return None
    size, stride = ((int(side[0]), int(side[1])) for side in windows)
    if not leave_no_gaps(size, stride):
        raise ModelError(
            f"{name}: windows of {size} every {stride} pixels; expected a positive stride that leaves no gaps",
            "Reduce the stride, for example: windows=((768, 768), (512, 512)).",
        )
    return Windowing(size, stride)
