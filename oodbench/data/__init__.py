"""Reading data sets from disk: images by their bytes, labels under a declared rule, folders by their structure."""

from oodbench.data.check import check_frame
from oodbench.data.folders import Layout, find_layout, open_layouts, readable
from oodbench.data.images import image_size, read_image, read_indices
from oodbench.data.labels import VOID_RULE, LabelRule, file_frame
from oodbench.data.pairing import by_name, course, images_by_stem, pair_by_stem, synboost

__all__ = [
    "VOID_RULE",
    "LabelRule",
    "Layout",
    "by_name",
    "check_frame",
    "course",
    "file_frame",
    "find_layout",
    "image_size",
    "images_by_stem",
    "open_layouts",
    "pair_by_stem",
    "read_image",
    "read_indices",
    "readable",
    "synboost",
]
