"""Frames that are pickled and read in another process, as by a worker on another machine."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from oodbench.contracts import Roots
from oodbench.data import open_photographs
from oodbench.files import digest_bytes
from oodbench.types import Frame
from tests.helpers import layouts
from tests.helpers.files import photograph, save
from tests.helpers.reading import REGISTRY

_READ = """
import pickle, sys
from tests.benchmarks.test_frames_in_another_process import pixel_digests
with open(sys.argv[1], "rb") as file:
    print(*(digest for frame in pickle.load(file) for digest in pixel_digests(frame)), sep="\\n")
"""


def pixel_digests(frame: Frame) -> list[str]:
    """Return the digests of a frame's image and of each kind of its labels."""
    arrays = [frame.read_image()]
    if frame.read_anomaly_labels is not None:
        arrays.append(frame.read_anomaly_labels().values)
    if frame.read_semantic_labels is not None:
        arrays.append(frame.read_semantic_labels().values)
    return [digest_bytes(array.tobytes()) for array in arrays]


def test_another_process_reads_the_same_pixels(tmp_path: Path) -> None:
    layouts.write_course_pack(tmp_path / "pack")
    layouts.write_ade20k(tmp_path / "ade20k")
    save(tmp_path / "photographs" / "a.png", photograph(3))
    roots = Roots((tmp_path / "pack", tmp_path / "ade20k"))
    frames = [
        REGISTRY.benchmark("road-anomaly").open(roots).frames[0],
        REGISTRY.dataset("ade20k").open(roots)["validation"].frames[0],
        open_photographs(tmp_path / "photographs").frames[0],
        REGISTRY.benchmark("streets-obstacles").open(roots).frames[0],
    ]
    (tmp_path / "frames.pickle").write_bytes(pickle.dumps(frames))
    command = [sys.executable, "-c", _READ, str(tmp_path / "frames.pickle")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    expected = [digest for frame in frames for digest in pixel_digests(frame)]
    assert len(expected) == 2 + 2 + 1 + 3
    assert answer.stdout.split() == expected
