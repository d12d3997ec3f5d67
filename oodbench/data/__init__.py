"""Readers of images, label files, score maps, archives, folder structures."""

from oodbench.data.folders import Layout, convert_read_errors, find_layout, open_layouts
from oodbench.data.frame_check import check_frame
from oodbench.data.hdf5 import read_hdf5, write_hdf5
from oodbench.data.images import read_grey16, read_image, read_image_size, read_indices, read_rgba
from oodbench.data.labels import VOID_RULE, LabelRule, file_frame
from oodbench.data.pairing import (
    index_by_stem,
    index_images,
    make_course_layout,
    make_synboost_layout,
    pair_by_stem,
    pair_cityscapes,
)
from oodbench.data.photographs import open_photographs
from oodbench.data.score_files import ScoreFiles, find_scores, read_array, read_scores
from oodbench.data.trees.tree import Tree, open_tree
from oodbench.data.trees.walking import find_files

__all__ = [
    "VOID_RULE",
    "LabelRule",
    "Layout",
    "ScoreFiles",
    "Tree",
    "check_frame",
    "convert_read_errors",
    "file_frame",
    "find_files",
    "find_layout",
    "find_scores",
    "index_by_stem",
    "index_images",
    "make_course_layout",
    "make_synboost_layout",
    "open_layouts",
    "open_photographs",
    "open_tree",
    "pair_by_stem",
    "pair_cityscapes",
    "read_array",
    "read_grey16",
    "read_hdf5",
    "read_image",
    "read_image_size",
    "read_indices",
    "read_rgba",
    "read_scores",
    "write_hdf5",
]
