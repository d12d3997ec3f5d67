"""The folder of blended frames: complete or empty, equal for equal seeds, read as a benchmark."""

from __future__ import annotations

import errno
import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.blending import MANIFEST, BlendSummary, read_cutouts, read_manifest, write_blends
from oodbench.contracts import Roots
from oodbench.data import open_photographs
from oodbench.data.verification import verify_frames
from oodbench.errors import DataError, RunFolderError, UsageError
from oodbench.planning.frame_index import index_frames
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.types import Frame
from tests.helpers.cityscapes_streets import write_streets
from tests.helpers.files import photograph, save

BENCHMARK = Registry().benchmark("synthetic-blend")


def streets(root: Path) -> tuple[Frame, ...]:
    return Registry().dataset("cityscapes").open(Roots((root,)))["val"].frames


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def goose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a cut-out: a disc, 0.8 m high."""
    folder = tmp_path_factory.mktemp("cutouts")
    rows, columns = np.mgrid[:60, :60] - 29.5
    pixels = np.full((60, 60, 4), 200, np.uint8)
    pixels[:, :, 3] = np.where(rows**2 + columns**2 < 29**2, 255, 0)
    save(folder / "goose_0.8m.png", pixels)
    return folder


def write_set(source: Path, goose: Path, out: Path, seed: int = 0, count: int = 6) -> BlendSummary:
    return write_blends(streets(source), out, count, seed, read_cutouts(goose))


def digest_labels(folder: Path) -> str:
    pixels = [np.asarray(Image.open(path)).tobytes() for path in sorted(folder.glob("*_labels.png"))]
    return hashlib.sha256(b"".join(pixels)).hexdigest()


def test_the_layout_is_that_of_fishyscapes_static(source: Path, goose: Path, tmp_path: Path) -> None:
    summary = write_set(source, goose, tmp_path / "out")
    names = [f"{index:04d}_town_{index % 2:06d}_000019" for index in range(6)]
    expected = sorted([MANIFEST, *(f"{name}_{part}.png" for name in names for part in ("rgb", "labels"))])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == expected
    found = BENCHMARK.open(Roots((tmp_path,)))
    assert [(frame.id, frame.group) for frame in found.frames] == [(name, name[5:]) for name in names]
    assert (summary.frames, summary.sources, summary.labelled) == (6, 2, 2)
    assert not list(verify_frames(found, ""))
    manifest = read_manifest(tmp_path / "out")
    pasted = [thing for frame in manifest.frames.values() for thing in frame.pasted]
    assert summary.anomalies == sum(thing.label == "anomaly" for thing in pasted) > 2
    for frame in found.frames:
        assert frame.read_anomaly_labels is not None
        labels = frame.read_anomaly_labels().values
        things = [t for t in manifest.frames[frame.id].pasted if t.label == "anomaly"]
        inside = np.zeros(labels.shape, bool)
        for thing in things:
            box = np.s_[thing.top : thing.top + thing.height, thing.left : thing.left + thing.width]
            inside[box] = True
            # A disc fills 0.785 of its box.
            assert (labels[box] == 1).mean() == pytest.approx(0.785, abs=0.08)
        assert not (labels[~inside] == 1).any()


def test_void_stays_void_and_the_rest_of_the_image_is_unchanged(source: Path, goose: Path, tmp_path: Path) -> None:
    write_set(source, goose, tmp_path / "out")
    originals = {frame.id: frame for frame in streets(source)}
    changed = []
    for frame in BENCHMARK.open(Roots((tmp_path,))).frames:
        original = originals[frame.group]
        assert original.read_semantic_labels is not None
        assert frame.read_anomaly_labels is not None
        void, labels = original.read_semantic_labels().values == 255, frame.read_anomaly_labels().values
        assert np.array_equal(labels == 255, void & (labels != 1))
        same = (frame.read_image() == original.read_image()).all(axis=2)
        changed.append(1 - same.mean())
        assert same[:60].all()
        if (labels == 1).any():
            assert not same[labels == 1].all()
    assert 0 < np.mean(changed) < 0.2


@pytest.mark.slow
def test_the_same_seed_gives_the_same_labels(source: Path, goose: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_set(source, goose, tmp_path / name, seed)
    first, again, other = (BENCHMARK.open(Roots((tmp_path / name,))).frames for name in "abc")
    assert digest_labels(tmp_path / "a") == digest_labels(tmp_path / "b") == LABELS
    assert digest_labels(tmp_path / "c") != LABELS
    assert [frame.identity for frame in first] == [frame.identity for frame in again]
    assert {frame.identity for frame in first}.isdisjoint(frame.identity for frame in other)


# A change of these labels requires another version number of the blending.
LABELS = "8c58ae0f13213f43600b0c75305ad20aaf6ea2aa4ef29e08de14c8c12bbb71ee"


def test_a_baseline_stays_valid_for_images_with_another_compression(source: Path, goose: Path, tmp_path: Path) -> None:
    for name in "ab":
        write_set(source, goose, tmp_path / name, count=2)
    for path in (tmp_path / "b").glob("*_rgb.png"):
        Image.open(path).save(path, compress_level=0)
    one, two = (index_frames(BENCHMARK.open(Roots((tmp_path / name,))).frames, name, Silent()) for name in "ab")
    assert one == two


def test_a_replaced_image_is_an_error(source: Path, goose: Path, tmp_path: Path) -> None:
    write_set(source, goose, tmp_path / "out", count=2)
    frame = BENCHMARK.open(Roots((tmp_path,))).frames[0]
    assert frame.image_file is not None
    pixels = np.array(Image.open(frame.image_file))
    pixels[0, 0] ^= 1
    save(frame.image_file, pixels)
    with pytest.raises(DataError, match="its pixels differ from those that 'oodbench data blend' wrote"):
        frame.read_image()


def test_an_incomplete_set_is_an_error(source: Path, goose: Path, tmp_path: Path) -> None:
    write_set(source, goose, tmp_path / "out", count=2)
    path = tmp_path / "out" / MANIFEST
    label = next((tmp_path / "out").glob("*_labels.png"))
    label.rename(tmp_path / "aside.png")
    with pytest.raises(DataError, match=f"{label.name}: is missing"):
        BENCHMARK.open(Roots((tmp_path,)))
    path.write_text(json.dumps({"version": 1}))
    with pytest.raises(DataError, match=f"{MANIFEST}: .*seed"):
        BENCHMARK.open(Roots((tmp_path,)))


def test_no_other_benchmark_recognises_the_folder(source: Path, goose: Path, tmp_path: Path) -> None:
    write_set(source, goose, tmp_path / "out", count=2)
    with pytest.raises(DataError, match="was not found"):
        Registry().benchmark("fishyscapes-static-unversioned").open(Roots((tmp_path,)))


def test_frames_without_labels_are_blended(tmp_path: Path, goose: Path) -> None:
    save(tmp_path / "photographs" / "a.png", photograph(1, (200, 400)))
    summary = write_blends(
        open_photographs(tmp_path / "photographs").frames, tmp_path / "out", 3, 5, read_cutouts(goose)
    )
    assert (summary.labelled, summary.ordinary, summary.cuttable) == (0, 0, 0)
    assert summary.anomalies > 0


def test_a_subset_of_frames_is_evenly_spaced(tmp_path: Path, goose: Path) -> None:
    for index in range(6):
        save(tmp_path / "photographs" / f"{index}.png", photograph(index, (64, 128)))
    write_blends(open_photographs(tmp_path / "photographs").frames, tmp_path / "out", 3, 0, read_cutouts(goose))
    assert [frame.source for frame in read_manifest(tmp_path / "out").frames.values()] == ["0", "2", "4"]


def test_a_folder_that_is_not_empty_is_an_error(source: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="is not empty; expected a new or an empty folder"):
        write_blends(streets(source), tmp_path, 1, 0)
    with pytest.raises(RunFolderError, match="is a file"):
        write_blends(streets(source), tmp_path / "notes.txt", 1, 0)


def test_only_blended_frames_are_replaced(source: Path, goose: Path, tmp_path: Path) -> None:
    out, frames, objects = tmp_path / "out", streets(source), read_cutouts(goose)
    write_blends(frames, out, 2, 0, objects)
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(RunFolderError, match="is not empty") as error:
        write_blends(frames, out, 1, 0, objects)
    assert "--overwrite" in str(error.value)
    write_blends(frames, out, 1, 0, objects, overwrite=True)
    assert len(list(out.iterdir())) == 3
    assert all(path.read_bytes() == first[path.name] for path in out.glob("*.png"))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"did not write; the first is notes\.txt"):
        write_blends(frames, out, 1, 0, objects, overwrite=True)
    with pytest.raises(RunFolderError, match="did not write"):
        write_blends(frames, source, 1, 0, objects, overwrite=True)
    with pytest.raises(RunFolderError, match="is a file"):
        write_blends(frames, out / "notes.txt", 1, 0, objects, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} >= {"out"}
    assert not list(tmp_path.glob(".*"))


def test_an_error_keeps_the_frames_that_would_be_replaced(
    source: Path, goose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(source, goose, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(RunFolderError, match="No space left on device"):
        write_blends(streets(source), tmp_path / "out", 1, 1, read_cutouts(goose), overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (10000, 0), (1, -1)])
def test_invalid_counts_and_seeds_are_errors(source: Path, tmp_path: Path, count: int, seed: int) -> None:
    with pytest.raises(UsageError, match=f"--count {count}, --seed {seed}"):
        write_blends(streets(source), tmp_path / "out", count, seed)


def test_a_full_disk_leaves_no_files(
    source: Path, goose: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image, saved = Image.Image.save, []

    def full(image: Image.Image, *arguments: object) -> None:
        saved.append(image)
        if len(saved) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_image(image, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        write_set(source, goose, tmp_path / "out")
    assert len(saved) == 4
    assert not (tmp_path / "out").exists()


def test_an_invalid_frame_is_found_before_anything_is_written(tmp_path: Path) -> None:
    save(tmp_path / "photographs" / "a.png", photograph(1, (64, 128)))
    (tmp_path / "photographs" / "b.png").write_bytes(b"torn")
    frames = open_photographs(tmp_path / "photographs").frames
    with pytest.raises(DataError, match=r"b\.png: not an intact image file"):
        write_blends(frames, tmp_path / "out", 2, 0)
    assert not (tmp_path / "out").exists()
    save(tmp_path / "photographs" / "b.png", photograph(1, (16, 128)))
    with pytest.raises(DataError, match=r"b\.png: 128 x 16 pixels; expected 32 x 32 and more"):
        write_blends(frames, tmp_path / "out", 2, 0)


def test_a_killed_command_leaves_nothing_in_the_folder_and_can_be_repeated(tmp_path: Path) -> None:
    for index in range(2):
        save(tmp_path / "photographs" / f"{index}.png", photograph(index, (64, 128)))
    program = (
        "import os, signal\nfrom pathlib import Path\nimport oodbench.blending.write as write\n"
        "from oodbench.data.photographs import open_photographs\n"
        "write._describe_blend = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write.write_blends(open_photographs(Path('photographs')).frames, Path('out'), 2, 0)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert any(tmp_path.glob(".out.oodbench-part/new/*_rgb.png"))
    write_blends(open_photographs(tmp_path / "photographs").frames, tmp_path / "out", 2, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photographs"]
