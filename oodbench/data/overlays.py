"""Fishyscapes Static as it is published: overlays and labels, which with Cityscapes make the images.

Blum et al., "The Fishyscapes Benchmark", IJCV 2021. Image = clip(Cityscapes frame + overlay, 0, 255).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oodbench.data.folders import readable, subfolders
from oodbench.data.images import read_image
from oodbench.data.pairing import by_name
from oodbench.errors import DataError, UsageError
from oodbench.files import digest_bytes, write_atomically
from oodbench.types import RGBImage

MANIFEST = "fishyscapes-static.json"
"""What `build` leaves beside the images: which version they are."""

ARCHIVES: Mapping[str, tuple[str, int, str]] = {
    "v1": ("fs_val_v1.zip", 4417983, "79fb134419c83f2f20b575955efa9d20"),
    "v2": ("fs_val_v2.zip", 4107857, "5088c63497927200d935c41d54b1cb23"),
    "v3": ("fs_val_v3.zip", 8046056, "0dc11db9e57088c5bb18de4c55a53f3a"),
}
"""version -> the archive as published: name, bytes, MD5."""

# A base name alone: nothing that an archive says can lead out of the folder.
OVERLAY = re.compile(r"(?P<name>\d{4}_(?P<id>(?P<city>[a-z-]+)_\d{6}_\d{6}))_rgb\.npz$")


@dataclass(frozen=True)
class Overlays:
    """Overlays and labels, from a folder or from the archive.

    Attributes:
        source: what the user gave.
        version: `v1`, `v2`, `v3`.
        told_by: `checksum` of the archive, or the `user`.
        members: base name of a file -> its content.
    """

    source: Path
    version: str
    told_by: str
    members: Mapping[str, bytes]


def read_overlays(source: Path, version: str | None) -> Overlays:
    """The overlays of a folder or of the archive.

    Args:
        source: the archive, whose checksum tells the version; or the folder where it was unpacked.
        version: the user's word, where the checksum can't tell.

    Raises:
        UsageError: no version, an unknown one, or another than the checksum tells.
        DataError: there is nothing at `source`, or no overlays in it.
    """
    if version is not None and version not in ARCHIVES:
        raise UsageError(f"--version {version}: there is no such version", f"Known: {', '.join(ARCHIVES)}.")
    told = None
    with readable(source):
        if source.is_dir():
            members = {path.name: path.read_bytes() for path in _files(source)}
        elif source.is_file():
            told, members = _archive(source)
        else:
            raise DataError(f"{source} does not exist; expected fs_val_v<n>.zip, or the folder where it was unpacked")
    if told and version and told != version:
        raise UsageError(f"{source} is {told} by its checksum, and --version says {version}", "Leave out --version.")
    if not (told or version):
        raise UsageError(
            f"{source}: nothing tells which version these overlays are; no published checksum fits",
            "Give the archive itself, as it was downloaded, or say --version v1, v2 or v3.",
        )
    if not any(OVERLAY.match(name) for name in members):
        raise DataError(f"{source}: no overlays; expected <nnnn>_<id>_rgb.npz and <nnnn>_<id>_labels.png")
    return Overlays(source, told or str(version), "checksum" if told else "user", members)


def _files(folder: Path) -> Iterator[Path]:
    for place in subfolders(folder):
        yield from (path for path in place.iterdir() if path.suffix in (".npz", ".png") and path.is_file())


def _archive(path: Path) -> tuple[str | None, dict[str, bytes]]:
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    told = next((version for version, (_, _, known) in ARCHIVES.items() if known == md5), None)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.endswith((".npz", ".png"))]
            return told, {name.rsplit("/", 1)[-1]: archive.read(name) for name in names}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataError(f"{path}: not a whole zip file ({error})", "Download it again.") from None


def build(overlays: Overlays, cityscapes: Path, out: Path) -> int:
    """Write <nnnn>_<id>_rgb.png and <nnnn>_<id>_labels.png into `out`, and what they are; returns how many frames.

    Args:
        overlays: what to add.
        cityscapes: the folder of Cityscapes, with leftImg8bit/val in it or up to two levels under it.
        out: a folder that is made.

    Raises:
        DataError: a frame of Cityscapes or a label is missing, an overlay is damaged or has another size.
        RunFolderError: `out` can't be written.
    """
    wanted = {m["name"]: m["id"] for name in sorted(overlays.members) if (m := OVERLAY.match(name))}
    frames = _frames(cityscapes)
    absent = [identity for identity in wanted.values() if identity not in frames]
    if absent:
        raise DataError(
            f"{cityscapes}: {len(absent)} of {len(wanted)} frames of Cityscapes are missing, the first is {absent[0]}",
            "Expected leftImg8bit/val/<city>/<id>_leftImg8bit.png, from leftImg8bit_trainvaltest.zip.",
            [f"{identity}_leftImg8bit.png: is not in leftImg8bit/val" for identity in absent],
        )
    unlabelled = [name for name in wanted if f"{name}_labels.png" not in overlays.members]
    if unlabelled:
        raise DataError(f"{overlays.source}: {unlabelled[0]}_labels.png is missing", "Unpack the archive again.")
    digests = {}
    for name, identity in wanted.items():
        where = f"{overlays.source}: {name}_rgb.npz"
        image = compose(read_image(frames[identity]), _overlay(overlays.members[f"{name}_rgb.npz"], where), where)
        write_atomically(out / f"{name}_rgb.png", lambda file, image=image: Image.fromarray(image).save(file, "PNG"))  # type: ignore[misc]
        label = overlays.members[f"{name}_labels.png"]
        write_atomically(out / f"{name}_labels.png", lambda file, label=label: file.write(label))  # type: ignore[misc]
        digests[name] = digest_bytes(image.tobytes())
    manifest = {"version": overlays.version, "told_by": overlays.told_by, "pixels": digests}
    write_atomically(out / MANIFEST, lambda file: file.write(json.dumps(manifest, indent=1).encode()))
    return len(wanted)


def compose(frame: RGBImage, overlay: NDArray[np.signedinteger], where: str) -> RGBImage:
    """clip(frame + overlay, 0, 255).

    Args:
        frame: uint8 [H, W, 3].
        overlay: signed integers [H, W, 3]; unsigned ones would have wrapped before they came here.
        where: its file, for the message.
    """
    if overlay.shape != frame.shape or not np.issubdtype(overlay.dtype, np.signedinteger):
        raise DataError(
            f"{where}: 'rgb' is {overlay.dtype} {overlay.shape}; expected signed integers {frame.shape}",
            "Download the overlays again.",
        )
    return np.clip(frame.astype(np.int64) + overlay, 0, 255).astype(np.uint8)


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # numpy and zipfile report broken files with all of these.
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: not a whole overlay ({error})", "Download the overlays again.") from None


def _overlay(content: bytes, where: str) -> NDArray[np.signedinteger]:
    with _damage(where), np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        values: NDArray[np.signedinteger] = arrays["rgb"]
        return values


def _frames(cityscapes: Path) -> dict[str, Path]:
    """Cityscapes' validation frames by id."""
    if not cityscapes.is_dir():
        raise DataError(f"{cityscapes}: no such folder; expected the one of Cityscapes")
    with readable(cityscapes):
        for folder in subfolders(cityscapes):
            frames = by_name((folder / "leftImg8bit" / "val").glob("*/*_leftImg8bit.png"), "_leftImg8bit")
            if frames:
                return frames
    return {}


def built_version(folder: Path) -> str | None:
    """The version that a manifest in the folder says; None where there is none, or none that can be read."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    return version if isinstance(version, str) and version in ARCHIVES else None
