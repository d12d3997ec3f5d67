"""Readers of images, labels, folder layouts, archives, score maps."""

from oodbench.data.check import check_frame
from oodbench.data.folders import Layout, find_layout, open_layouts, readable
from oodbench.data.hdf5 import read_hdf5, write_hdf5
from oodbench.data.images import image_size, read_grey16, read_image, read_indices, read_rgba
from oodbench.data.labels import VOID_RULE, LabelRule, file_frame
from oodbench.data.pairing import by_name, cityscapes_pairs, course, images_by_stem, pair_by_stem, synboost
from oodbench.data.photographs import photographs
from oodbench.data.scores import ScoreFiles, find_scores, read_array, read_scores
from oodbench.data.trees import Tree, open_tree

__all__ = [
    "VOID_RULE",
    "LabelRule",
    "Layout",
    "ScoreFiles",
    "Tree",
    "by_name",
    "check_frame",
    "cityscapes_pairs",
    "course",
    "file_frame",
    "find_layout",
    "find_scores",
    "image_size",
    "images_by_stem",
    "open_layouts",
    "open_tree",
    "pair_by_stem",
    "photographs",
    "read_array",
    "read_grey16",
    "read_hdf5",
    "read_image",
    "read_indices",
    "read_rgba",
    "read_scores",
    "readable",
    "synboost",
    "write_hdf5",
]
