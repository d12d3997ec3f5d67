"""Writing of a folder of blended frames, in the layout of Fishyscapes Static."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.blending.appearance import Appearance, measure_appearance
from oodbench.blending.blend import BlendResult, blend_frame
from oodbench.blending.cutout import Cutout
from oodbench.blending.ground_plane import Ground, estimate_ground
from oodbench.blending.known_objects import cut_known_objects
from oodbench.blending.manifest import MANIFEST, VERSION, BlendedFrame, Manifest, PastedObject, read_manifest
from oodbench.data import check_frame
from oodbench.errors import DataError, RunFolderError, UsageError
from oodbench.files import cannot_write, digest_bytes, digest_file, write_atomically
from oodbench.locked_folders import replace_folder
from oodbench.types import Frame, RGBImage, SemanticLabels
from oodbench.worlds.dice import Dice

SMALLEST = 32
"""Minimum number of rows and columns of a frame to blend into."""

Step = Callable[[], object]


@dataclass(frozen=True)
class BlendSummary:
    """Summary of a written folder.

    Attributes:
        frames: Number of blended frames.
        sources: Number of original frames.
        labelled: Number of original frames with labels.
        anomalies, ordinary: Number of pasted anomalies and of pasted known objects.
        empty: Number of frames without anomalies.
        cuttable: Number of known objects that could be cut out.
    """

    frames: int
    sources: int
    labelled: int
    anomalies: int
    ordinary: int
    empty: int
    cuttable: int


@dataclass(frozen=True)
class _SourceFrame:
    image: RGBImage
    ground: Ground
    appearance: Appearance
    labels: SemanticLabels | None


def write_blends(
    frames: Sequence[Frame],
    out: Path,
    count: int,
    seed: int,
    cutouts: Sequence[tuple[Path, Cutout]] = (),
    step: Step = lambda: None,
    *,
    overwrite: bool = False,
) -> BlendSummary:
    """Blend objects into frames; write <nnnn>_<id>_rgb.png, <nnnn>_<id>_labels.png and finally the manifest.

    If an error occurs, all written files are removed: the folder is as before or complete.

    Args:
        frames: In-distribution frames on disk, with or without semantic labels.
        out: Folder that is empty or does not exist yet; with `overwrite`, also one that an earlier call wrote.
        count: Number of frames to write. With fewer originals, each is used several times; with more, a subset at even
            spacing is used.
        seed: Seed. Equal seeds and frames give identical labels on all machines, and images within one grey level.
        cutouts: Anomalies to paste, each with its file. Without any, anomalies are painted.
        step: Callback, called once per analysed frame and once per written frame.
        overwrite: Whether to replace a folder that contains only blended frames and their manifest.

    Raises:
        DataError: A frame is invalid or too small.
        UsageError: `count` or `seed` is out of range.
        RunFolderError: `out` contains files that may not be replaced, or can't be written.
    """
    if count < 1 or count > 9999 or seed < 0:
        raise UsageError(
            f"--count {count}, --seed {seed}: expected a count from 1 to 9999 and a seed of 0 or more",
            "Choose values in these ranges.",
        )
    _check_replaceable(out, overwrite)
    originals = (
        [frames[index * len(frames) // count] for index in range(count)] if count < len(frames) else list(frames)
    )
    material = digest_bytes(
        json.dumps([VERSION, [_digest_files(frame) for frame in originals], _digest_cutouts(cutouts)]).encode()
    )
    known_objects: list[tuple[int, Cutout]] = []
    labelled = 0
    for index, frame in enumerate(originals):
        source = _read_source(frame)
        if source.labels is not None:
            labelled += 1
            known_objects += [
                (index, cutout)
                for cutout in cut_known_objects(source.image, source.labels, source.ground, source.appearance)
            ]
        step()
    written: dict[str, BlendedFrame] = {}
    with replace_folder(out) as folder:
        for index, frame in enumerate(originals):
            source = _read_source(frame)
            others = [cutout for owner, cutout in known_objects if owner != index]
            for number in range(index, count, len(originals)):
                name = f"{number:04d}_{frame.id.replace('/', '_')}"
                dice = Dice(VERSION, seed, number)
                blended = blend_frame(
                    source.image, source.ground, source.appearance, [c for _, c in cutouts], others, dice
                )
                _write_image(folder / f"{name}_rgb.png", blended.image)
                _write_image(folder / f"{name}_labels.png", blended.labels)
                written[name] = _describe_blend(frame, blended)
                step()
        manifest = Manifest(version=VERSION, seed=seed, material=material, frames=dict(sorted(written.items())))
        write_atomically(folder / MANIFEST, lambda file: file.write(manifest.model_dump_json(indent=1).encode()))
    pasted = [[item.label for item in frame.pasted] for frame in written.values()]
    return BlendSummary(
        frames=len(written),
        sources=len(originals),
        labelled=labelled,
        anomalies=sum(labels.count("anomaly") for labels in pasted),
        ordinary=sum(labels.count("ordinary") for labels in pasted),
        empty=sum("anomaly" not in labels for labels in pasted),
        cuttable=len(known_objects),
    )


def _check_replaceable(out: Path, overwrite: bool) -> None:
    """Raise unless `out` is empty or absent or, with `overwrite`, contains only what an earlier call wrote."""
    try:
        names = {path.name for path in out.iterdir()} if out.is_dir() else set()
        if names and overwrite:
            ours = _list_files(read_manifest(out)) if MANIFEST in names else set()
            others = sorted(names - ours)
            if others:
                raise RunFolderError(
                    f"{out}: contains files that 'oodbench data blend' did not write; the first is {others[0]}",
                    "Remove them, or choose another folder with --out.",
                )
        elif names or out.is_file():
            what = "is not empty" if names else "is a file"
            remedy = "Choose another one with --out"
            remedy += ", or replace earlier blended frames with --overwrite." if MANIFEST in names else "."
            raise RunFolderError(f"{out} {what}; expected a new or an empty folder", remedy)
    except OSError as error:
        raise cannot_write(out, error) from error


def _list_files(manifest: Manifest) -> set[str]:
    return {MANIFEST, *(f"{name}_{part}.png" for name in manifest.frames for part in ("rgb", "labels"))}


def _digest_files(frame: Frame) -> list[str]:
    return [digest_file(path) for path in (frame.image_file, frame.label_file) if path is not None]


def _digest_cutouts(cutouts: Sequence[tuple[Path, Cutout]]) -> list[tuple[str, float, str]]:
    return [(cutout.kind, cutout.metres, digest_file(path)) for path, cutout in cutouts]


def _read_source(frame: Frame) -> _SourceFrame:
    size, _ = check_frame(frame)
    if min(size) < SMALLEST:
        raise DataError(
            f"{frame.image_file}: {size[1]} x {size[0]} pixels; expected {SMALLEST} x {SMALLEST} and more",
            "Remove it from the folder.",
        )
    image = frame.read_image()
    labels = frame.read_semantic_labels() if frame.read_semantic_labels else None
    ground = estimate_ground(labels, size)
    return _SourceFrame(image, ground, measure_appearance(image, ground), labels)


def _write_image(path: Path, pixels: NDArray[np.uint8]) -> None:
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG"))


def _describe_blend(frame: Frame, made: BlendResult) -> BlendedFrame:
    pasted = [
        PastedObject(kind=kind, label=label, left=place.left, top=place.top, width=place.width, height=place.height)
        for kind, label, place in made.pasted
    ]
    return BlendedFrame(source=frame.id, pixels=digest_bytes(made.image.tobytes()), pasted=pasted)
