"""My benchmark: what is in it, in one sentence.

Authors, "Title", venue and year.
"""

from __future__ import annotations

from pathlib import Path

from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import LabelRule, file_frame, find_layout, index_images, pair_by_stem
from oodbench.types import ANOMALY, IN_DISTRIBUTION, VOID, FrameSet

# Read without running this file: public name -> (class, one line).
PLUGINS = {
    "benchmarks": {
        "my-benchmark": ("MyBenchmark", "what is in it"),
    },
}

# What each value in a label file means. A value that is not named here is an error, with this hint.
_RULE = LabelRule(
    {0: IN_DISTRIBUTION, 1: ANOMALY, 255: VOID},
    "Expected the label files as they were published.",
)

_CARD = BenchmarkCard(
    name="my-benchmark",
    title="My benchmark",  # as papers call it
    paper="Authors: Title. Venue and year",
    url="https://example.org",
    licence="as its authors state it",
    frames=2,  # of the complete set; fewer are a warning
    labels={"0": "in-distribution", "1": "anomaly", "255": "void"},
    layouts={"official": "images/<name>.jpg and anomaly_labels/<name>.png"},
    obtain="Get it at https://example.org, unpack it, and give its folder: --data DIR",
    leaderboard_protocol="pooled",  # see: oodbench list protocols
)


class MyBenchmark(Benchmark):
    """The official layout."""

    card = _CARD

    def open(self, roots: Roots) -> FrameSet:
        """Find the folder and pair images with labels; pixels are read later."""
        layout, folder = find_layout(_CARD.name, roots, {"official": _is_official}, _CARD.layouts, _CARD.obtain)
        pairs = pair_by_stem(index_images(folder / "images"), index_images(folder / "anomaly_labels"), folder)
        # id, group (its scene: frames of one scene are not independent of each other), image, label, rule
        frames = tuple(file_frame(name, name, image, label, _RULE) for name, image, label in pairs)
        return FrameSet(frames, layout, folder, _CARD.frames)


def _is_official(folder: Path, named: bool) -> bool:
    """Whether this folder holds it: look for what no other data set has. `named`: the user said that it does."""
    return (folder / "images").is_dir() and (folder / "anomaly_labels").is_dir()
