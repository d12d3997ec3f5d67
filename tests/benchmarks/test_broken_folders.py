"""Broken folders raise only errors of oodbench, and never pair a frame with the label of another frame."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodbench.contracts import Roots
from oodbench.errors import OodbenchError
from oodbench.registry import Registry
from oodbench.types import Frame
from tests.benchmarks.test_data_contracts import BENCHMARKS, DATASETS

REGISTRY = Registry()
TREES = {**BENCHMARKS, **DATASETS}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """Write each layout once."""
    written = {}
    for key, make in TREES.items():
        written[key] = tmp_path_factory.mktemp("-".join(key))
        make(written[key])
    return written


# Damages to a path. Each leaves another content, or removes the path.


def _truncate(path: Path, other: Path) -> None:
    if path.is_file():
        path.write_bytes(path.read_bytes()[:60])


def _remove(path: Path, other: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _to_folder(path: Path, other: Path) -> None:
    _remove(path, other)
    path.mkdir()


def _to_file(path: Path, other: Path) -> None:
    _remove(path, other)
    path.write_bytes(b"\x00[{'")


def _to_loop(path: Path, other: Path) -> None:
    _remove(path, other)
    path.symlink_to(path.name)


def _to_parent(path: Path, other: Path) -> None:
    _remove(path, other)
    path.symlink_to("..")


def _take_the_other_s_content(path: Path, other: Path) -> None:
    if path.is_file() and other.is_file():
        shutil.copy(other, path)


def _rename(path: Path, other: Path) -> None:
    path.rename(path.with_name(f"{path.stem}_x{path.suffix}"))


def _another_ending(path: Path, other: Path) -> None:
    path.rename(path.with_suffix(".tiff"))


def _double(path: Path, other: Path) -> None:
    if path.is_file():
        shutil.copy(path, path.with_suffix(".bmp"))


def _odd_names(path: Path, other: Path) -> None:
    folder = path if path.is_dir() else path.parent
    for name in (b"\xff\xfe.png", b"..._labels.png", b"a\nb.jpg", b"._x.png", b"%2e%2e_rgb.png", b"-.labels"):
        if not os.path.lexists(os.path.join(os.fsencode(folder), name)):
            Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"")


DAMAGES: list[Callable[[Path, Path], None]] = [
    _truncate,
    _remove,
    _to_folder,
    _to_file,
    _to_loop,
    _to_parent,
    _take_the_other_s_content,
    _rename,
    _another_ending,
    _double,
    _odd_names,
]

_AFFIXES = re.compile(
    r"^\d{4}_(?=[a-z]+_\d{6}_|\d\d_)|_leftImg8bit$|_gtFine_labelIds$|_gtCoarse_\w+$|_labels_semantic$|_fishy-labels$"
    r"|_ood_segmentation$|_rgb$|_labels$|_labelTrainIds$"
)


def parse_frame_name(path: Path) -> str:
    """Return the frame that a file name belongs to, without the code of the loaders."""
    stem = path.parent.stem if path.stem == "labels_semantic" else path.stem
    town = f"{path.parent.name}/" if re.fullmatch(r"t\d.*", path.parent.name) else ""
    while (stripped := _AFFIXES.sub("", stem)) != stem:
        stem = stripped
    return town + stem


def open_frames(name: str, *folders: Path) -> list[Frame]:
    roots = Roots(folders)
    if name in REGISTRY.names("benchmarks") and (name, "official") not in DATASETS:
        return list(REGISTRY.benchmark(name).open(roots).frames)
    return [frame for part in REGISTRY.dataset(name).open(roots).values() for frame in part.frames]


def read(frame: Frame) -> None:
    for reader in (frame.read_size, frame.read_image, frame.read_anomaly_labels, frame.read_semantic_labels):
        if reader is not None:
            reader()


@pytest.mark.parametrize("key", TREES, ids="-".join)
def test_complete_trees_are_read_and_paired(templates: dict[tuple[str, str], Path], key: tuple[str, str]) -> None:
    """Check the assumption of the property test below."""
    frames = open_frames(key[0], templates[key])
    assert len(frames) >= 2
    for frame in frames:
        read(frame)
        assert frame.image_file is not None
        assert frame.label_file is None or parse_frame_name(frame.image_file) == parse_frame_name(frame.label_file)


@settings(max_examples=100)
@given(data=st.data())
def test_broken_trees_raise_errors_of_oodbench(templates: dict[tuple[str, str], Path], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(list(TREES)), "set and layout")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        shutil.copytree(templates[key], root)
        for _ in range(data.draw(st.integers(1, 4), "how many damages")):
            paths = sorted(path for path in root.rglob("*") if os.path.lexists(path))
            if not paths:
                break
            path, other = (data.draw(st.sampled_from(paths), which) for which in ("path", "other"))
            with suppress(OSError):  # not applicable to this path
                data.draw(st.sampled_from(DAMAGES), "damage")(path, other)
        outside = sorted(path.name for path in Path(place).iterdir())
        try:
            frames = open_frames(key[0], root)
        except OodbenchError:
            return
        assert len({frame.id for frame in frames}) == len(frames)
        for frame in frames:
            assert frame.image_file is not None
            if frame.label_file is not None:
                assert parse_frame_name(frame.image_file) == parse_frame_name(frame.label_file), frame
            try:
                read(frame)
            except OodbenchError:
                continue
        assert sorted(path.name for path in Path(place).iterdir()) == outside
