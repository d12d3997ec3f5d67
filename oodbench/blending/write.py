"""A folder of blended frames, in the layout of Fishyscapes Static."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from oodbench.blending.appearance import Look, look_of
from oodbench.blending.blend import Blend, blend
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Ground, ground_of
from oodbench.blending.known_objects import ordinary
from oodbench.blending.manifest import MANIFEST, VERSION, Blended, Manifest, Pasted
from oodbench.data import check_frame
from oodbench.errors import DataError, RunFolderError, UsageError
from oodbench.files import cannot_write, digest_bytes, digest_file, write_atomically
from oodbench.types import Frame, RGBImage, SemanticLabels
from oodbench.worlds.dice import Dice

SMALLEST = 32
"""Rows and columns of the smallest frame that something can be blended into."""

Step = Callable[[], object]


@dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes:
        frames: how many.
        sources: of how many frames.
        labelled: of those, how many have labels.
        anomalies, ordinary: how many things were pasted.
        empty: how many frames hold no anomaly.
        cuttable: how many ordinary things could be cut out.
    """

    frames: int
    sources: int
    labelled: int
    anomalies: int
    ordinary: int
    empty: int
    cuttable: int


@dataclass(frozen=True)
class _Source:
    image: RGBImage
    ground: Ground
    look: Look
    labels: SemanticLabels | None


def write_blends(
    frames: Sequence[Frame],
    out: Path,
    count: int,
    seed: int,
    cutouts: Sequence[tuple[Path, Cutout]] = (),
    step: Step = lambda: None,
) -> Summary:
    """Blend things into frames and write <nnnn>_<id>_rgb.png and <nnnn>_<id>_labels.png, and last the manifest.

    Whatever stops it, what it has written is gone again: the folder is whole or empty.

    Args:
        frames: in-distribution frames on disk, with semantic labels or without.
        out: a folder that is empty or not there yet.
        count: how many to write; of fewer frames each is used several times, of more some are, evenly over them all.
        seed: the same seed and frames give the same labels on every machine, and images within a grey level.
        cutouts: what to paste as anomalies, with its file; without any they are painted.
        step: called once a frame that was looked at, and once a frame that was written.

    Raises:
        DataError: a frame is not in order, or too small.
        UsageError: `count` or `seed` is out of range.
        RunFolderError: `out` is not empty or can't be written.
    """
    if count < 1 or count > 9999 or seed < 0:
        raise UsageError(f"--count {count}, --seed {seed}", "Expected a count from 1 to 9999 and a seed of 0 or more.")
    _check_empty(out)
    used = [frames[index * len(frames) // count] for index in range(count)] if count < len(frames) else list(frames)
    material = digest_bytes(json.dumps([VERSION, [_files(frame) for frame in used], _digests(cutouts)]).encode())
    cut: list[tuple[int, Cutout]] = []
    labelled = 0
    for index, frame in enumerate(used):
        source = _read(frame)
        if source.labels is not None:
            labelled += 1
            cut += [(index, thing) for thing in ordinary(source.image, source.labels, source.ground, source.look)]
        step()
    done: dict[str, Blended] = {}
    with _whole_or_nothing(out) as write:
        for index, frame in enumerate(used):
            source = _read(frame)
            others = [thing for owner, thing in cut if owner != index]
            for number in range(index, count, len(used)):
                name = f"{number:04d}_{frame.id.replace('/', '_')}"
                dice = Dice(VERSION, seed, number)
                made = blend(source.image, source.ground, source.look, [c for _, c in cutouts], others, dice)
                write(f"{name}_rgb.png", Image.fromarray(made.image))
                write(f"{name}_labels.png", Image.fromarray(made.labels))
                done[name] = _blended(frame, made)
                step()
        manifest = Manifest(version=VERSION, seed=seed, material=material, frames=dict(sorted(done.items())))
        write_atomically(out / MANIFEST, lambda file: file.write(manifest.model_dump_json(indent=1).encode()))
    pasted = [[thing.label for thing in frame.pasted] for frame in done.values()]
    return Summary(
        frames=len(done),
        sources=len(used),
        labelled=labelled,
        anomalies=sum(labels.count("anomaly") for labels in pasted),
        ordinary=sum(labels.count("ordinary") for labels in pasted),
        empty=sum("anomaly" not in labels for labels in pasted),
        cuttable=len(cut),
    )


def _check_empty(out: Path) -> None:
    try:
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            what = "is not empty" if out.is_dir() else "is a file"
            raise RunFolderError(f"{out} {what}; expected a new or an empty folder", "Choose another one with --out.")
    except OSError as error:
        raise cannot_write(out, error) from error


def _files(frame: Frame) -> list[str]:
    return [digest_file(path) for path in (frame.image_file, frame.label_file) if path is not None]


def _digests(cutouts: Sequence[tuple[Path, Cutout]]) -> list[tuple[str, float, str]]:
    return [(thing.kind, thing.metres, digest_file(path)) for path, thing in cutouts]


def _read(frame: Frame) -> _Source:
    size, _ = check_frame(frame)
    if min(size) < SMALLEST:
        raise DataError(
            f"{frame.image_file}: {size[1]} x {size[0]} pixels; expected {SMALLEST} x {SMALLEST} and more",
            "Take it out of the folder.",
        )
    image = frame.read_image()
    labels = frame.read_semantic_labels() if frame.read_semantic_labels else None
    ground = ground_of(labels, size)
    return _Source(image, ground, look_of(image, ground), labels)


def _blended(frame: Frame, made: Blend) -> Blended:
    pasted = [
        Pasted(kind=kind, label=label, left=place.left, top=place.top, width=place.width, height=place.height)
        for kind, label, place in made.pasted
    ]
    return Blended(source=frame.id, pixels=digest_bytes(made.image.tobytes()), pasted=pasted)


@contextmanager
def _whole_or_nothing(out: Path) -> Iterator[Callable[[str, Image.Image], None]]:
    """A function that writes an image under a name; all of them are removed again where something goes wrong."""
    written: list[Path] = []
    new = not out.exists()

    def write(name: str, image: Image.Image) -> None:
        written.append(out / name)
        write_atomically(out / name, lambda file: image.save(file, "PNG"))

    try:
        yield write
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if new and out.exists():
            out.rmdir()
        if isinstance(error, RunFolderError):
            raise RunFolderError(error.problem, "Free some space, or choose another folder with --out.") from error
        raise
