"""Anomalies blended into the user's own frames: what `oodbench data blend` writes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from oodbench.blending import MANIFEST, read_manifest
from oodbench.contracts import Benchmark, BenchmarkCard, Roots
from oodbench.data import VOID_RULE, LabelRule, Layout, file_frame, open_layouts, read_image
from oodbench.errors import DataError
from oodbench.files import digest_bytes
from oodbench.types import Frame, FrameSet, RGBImage

PLUGINS = {
    "benchmarks": {"synthetic-blend": ("SyntheticBlend", "anomalies blended into frames of your own (data blend)")}
}

_WRITE = (
    "Write it from frames of your own: oodbench data blend --frames DIR --out DIR; then give that folder: --data DIR"
)
_RULE = LabelRule(VOID_RULE, "The file was changed after 'oodbench data blend' wrote it: write the folder again.")


class SyntheticBlend(Benchmark):
    """Known by what made it and by its labels, so that a baseline holds where it is made again."""

    card = BenchmarkCard(
        name="synthetic-blend",
        title="Synthetic blend",
        paper="made by oodbench of frames of your own",
        url="docs/blend.md",
        licence="that of your frames and cut-outs",
        frames=0,
        labels={
            "0": "in-distribution, pasted ordinary things too",
            "1": "anomaly",
            "255": "void in the frame's labels",
        },
        layouts={"blended": f"<nnnn>_<id>_rgb.png, <nnnn>_<id>_labels.png, {MANIFEST}"},
        obtain=_WRITE,
        leaderboard_protocol="pooled",
    )

    def open(self, roots: Roots) -> FrameSet:
        return open_layouts(self.card, roots, {"blended": Layout(_is_blended, _frames)})


def _is_blended(folder: Path, named: bool) -> bool:
    return (folder / MANIFEST).is_file()


def _frames(folder: Path) -> tuple[Frame, ...]:
    manifest = read_manifest(folder)
    frames = []
    for name, blended in manifest.frames.items():
        image, label = folder / f"{name}_rgb.png", folder / f"{name}_labels.png"
        absent = [path for path in (image, label) if not path.is_file()]
        if absent:
            raise DataError(f"{absent[0]}: is missing, and {MANIFEST} names it", "Write the folder again.")
        plain = file_frame(name, blended.source, image, label, _RULE)
        frames.append(
            Frame(
                id=name,
                group=plain.group,
                read_size=plain.read_size,
                read_image=partial(_image, image, blended.pixels),
                read_anomaly_labels=plain.read_anomaly_labels,
                image_file=image,
                label_file=label,
                identity=manifest.identity(name),
                synthetic=True,
            )
        )
    return tuple(frames)


def _image(path: Path, digest: str) -> RGBImage:
    """The image, which is known by what made it: another one in its place must not pass for it."""
    image = read_image(path)
    if digest_bytes(image.tobytes()) != digest:
        raise DataError(f"{path}: its pixels are not those that 'oodbench data blend' wrote", "Write the folder again.")
    return image
