"""My benchmark: its content, in one sentence.

Authors, "Title", venue and year.
"""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import LabelRule, file_frame, find_layout, index_images, pair_by_stem
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, FrameSet

# Read without running this file: public name -> (class, description in one line).
PLUGINS = {
    "benchmarks": {
        "my-benchmark": ("MyBenchmark", "its content in one line"),
    },
}

# The meaning of each value in a label file. Any other value is an error, which shows this hint.
_RULE = LabelRule(
    {0: IN_DISTRIBUTION, 1: ANOMALY, 255: VOID},
    "Use the label files as they were published.",
)

_CARD = BenchmarkCard(
    name="my-benchmark",
    title="My benchmark",  # the name that papers use
    paper="Authors: Title. Venue and year",
    url="https://example.org",
    licence="as its authors state it",
    frames=2,  # number of frames of the complete set; fewer frames cause a warning
    labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
    layouts={"official": "images/<name>.jpg and anomaly_labels/<name>.png"},
    obtain="Get it at https://example.org, unpack it, and pass its folder: --data DIR",
    leaderboard_protocol="pooled",  # see: oodbench list protocols
)


class MyBenchmark(Benchmark):
    """The benchmark in its official layout."""

    card = _CARD

    @override
    def open(self, roots: Roots) -> FrameSet:
        """Find the folder and pair images with labels; pixels are read later."""
        layout, folder = find_layout(_CARD.name, roots, {"official": _is_official}, _CARD.layouts, _CARD.obtain)
        pairs = pair_by_stem(index_images(folder / "images"), index_images(folder / "anomaly_labels"), folder)
        # Arguments: id, group (the scene, because frames of one scene are not independent), image, label, rule.
        frames = tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)
        return FrameSet(frames, layout, folder, _CARD.frames)


def _is_official(folder: Path, named: bool) -> bool:
    """Return whether this folder contains the benchmark. Check for files that no other dataset has.

    Args:
        folder: The folder.
        named: Whether the user stated that the folder contains the benchmark.
    """
    return (folder / "images").is_dir() and (folder / "anomaly_labels").is_dir()
