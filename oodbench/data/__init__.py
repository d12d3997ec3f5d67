"""Reading data sets from disk: images by their bytes, labels under a declared rule, folders by their structure."""

from oodbench.data.folders import course_frames, course_recogniser, find_layout, images_by_stem, pair_by_stem
from oodbench.data.images import image_size, read_image, read_indices
from oodbench.data.labels import VOID_RULE, LabelRule, file_frame

__all__ = [
    "VOID_RULE",
    "LabelRule",
    "course_frames",
    "course_recogniser",
    "file_frame",
    "find_layout",
    "image_size",
    "images_by_stem",
    "pair_by_stem",
    "read_image",
    "read_indices",
]
