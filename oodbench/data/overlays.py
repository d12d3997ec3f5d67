"""Fishyscapes Static as published: overlays and labels, from which the images are built with frames of Cityscapes.

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

from oodbench.data.folders import convert_read_errors, iter_subfolders
from oodbench.data.images import read_image
from oodbench.data.pairing import index_by_stem
from oodbench.data.trees.archives import check_size
from oodbench.data.trees.tree import open_tree
from oodbench.data.trees.walking import find_files
from oodbench.errors import DataError, UsageError
from oodbench.files import digest_bytes, read_text, write_atomically
from oodbench.threads import READING_NUMPY_FILE
from oodbench.types import RGBImage

MANIFEST = "fishyscapes-static.json"
"""File that `write_frames` writes next to the images; it records their version."""

ARCHIVES: Mapping[str, tuple[str, int, str]] = {
    "v1": ("fs_val_v1.zip", 4417983, "79fb134419c83f2f20b575955efa9d20"),
    "v2": ("fs_val_v2.zip", 4107857, "5088c63497927200d935c41d54b1cb23"),
    "v3": ("fs_val_v3.zip", 8046056, "0dc11db9e57088c5bb18de4c55a53f3a"),
}
"""Maps each version to its published archive: name, size in bytes, MD5."""

# Matches base names only, so that no name in an archive leads out of the folder.
OVERLAY = re.compile(r"(?P<name>\d{4}_(?P<id>(?P<city>[a-z-]+)_\d{6}_\d{6}))_rgb\.npz$")


@dataclass(frozen=True)
class Overlays:
    """Overlays and labels from a folder or from the archive.

    Attributes:
        source: Path that the user gave.
        version: `v1`, `v2` or `v3`.
        version_source: Source of the version: the `checksum` of the archive, or the `user`.
        members: Maps the base name of each file to its content.
    """

    source: Path
    version: str
    version_source: str
    members: Mapping[str, bytes]


def read_overlays(source: Path, version: str | None) -> Overlays:
    """Read the overlays of a folder or of the archive.

    Args:
        source: Archive, whose checksum determines the version, or the folder in which it was unpacked.
        version: Version named by the user, for when the checksum is not available.

    Raises:
        UsageError: The version is missing, unknown, or differs from that of the checksum.
        DataError: `source` does not exist or holds no overlays.
    """
    if version is not None and version not in ARCHIVES:
        raise UsageError(
            f"--version {version}: no such version; expected {' or '.join(ARCHIVES)}", "Correct --version."
        )
    checksum_version = None
    with convert_read_errors(source):
        if source.is_dir():
            members = {path.name: path.read_bytes() for path in _iter_files(source)}
        elif source.is_file():
            checksum_version, members = _read_archive(source)
        else:
            raise DataError(
                f"{source} does not exist; expected fs_val_v<n>.zip, or the folder of its contents",
                "Correct --overlays.",
            )
    if checksum_version and version and checksum_version != version:
        raise UsageError(
            f"{source} is {checksum_version} by its checksum, but --version is {version}", "Omit --version."
        )
    if not (checksum_version or version):
        raise UsageError(
            f"{source}: the version of these overlays is unknown, because no published checksum fits",
            "Give the archive as it was downloaded, or give --version v1, v2 or v3.",
        )
    if not any(OVERLAY.match(name) for name in members):
        raise DataError(
            f"{source}: no overlays; expected <nnnn>_<id>_rgb.npz and <nnnn>_<id>_labels.png",
            "Correct --overlays.",
        )
    return Overlays(source, checksum_version or str(version), "checksum" if checksum_version else "user", members)


def _iter_files(folder: Path) -> Iterator[Path]:
    for place in iter_subfolders(folder):
        yield from (path for path in find_files(place, "*") if path.suffix in (".npz", ".png") and path.is_file())


def _read_archive(path: Path) -> tuple[str | None, dict[str, bytes]]:
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    version = next((version for version, (_, _, known) in ARCHIVES.items() if known == md5), None)
    with open_tree(path) as tree:
        names = [name for name in tree.names if name.endswith((".npz", ".png"))]
        return version, {name.rsplit("/", 1)[-1]: tree.read(name) for name in names}


def write_frames(overlays: Overlays, cityscapes: Path, out: Path) -> int:
    """Build the frames in `out`: <nnnn>_<id>_rgb.png, <nnnn>_<id>_labels.png and a manifest. Return their number.

    Args:
        overlays: Overlays to add.
        cityscapes: Folder of Cityscapes, with leftImg8bit/val in it or up to two levels below.
        out: Folder to create.

    Raises:
        DataError: A frame of Cityscapes or a label is missing, or an overlay is damaged or has another size.
        RunFolderError: `out` can't be written.
    """
    wanted = {m["name"]: m["id"] for name in sorted(overlays.members) if (m := OVERLAY.match(name))}
    frames = _find_cityscapes_frames(cityscapes)
    absent = [identity for identity in wanted.values() if identity not in frames]
    if absent:
        raise DataError(
            f"{cityscapes}: {len(absent)} of {len(wanted)} frames of Cityscapes are missing, the first is {absent[0]}",
            "Unpack leftImg8bit_trainvaltest.zip there, which contains leftImg8bit/val/<city>/<id>_leftImg8bit.png.",
            [f"{identity}_leftImg8bit.png: is not in leftImg8bit/val" for identity in absent],
        )
    unlabelled = [name for name in wanted if f"{name}_labels.png" not in overlays.members]
    if unlabelled:
        raise DataError(f"{overlays.source}: {unlabelled[0]}_labels.png is missing", "Unpack the archive again.")
    digests = {}
    for name, identity in wanted.items():
        where = f"{overlays.source}: {name}_rgb.npz"
        image = apply_overlay(
            read_image(frames[identity]), _read_overlay(overlays.members[f"{name}_rgb.npz"], where), where
        )
        write_atomically(out / f"{name}_rgb.png", lambda file, image=image: Image.fromarray(image).save(file, "PNG"))  # type: ignore[misc]
        label = overlays.members[f"{name}_labels.png"]
        write_atomically(out / f"{name}_labels.png", lambda file, label=label: file.write(label))  # type: ignore[misc]
        digests[name] = digest_bytes(image.tobytes())
    manifest = {"version": overlays.version, "told_by": overlays.version_source, "pixels": digests}
    write_atomically(out / MANIFEST, lambda file: file.write(json.dumps(manifest, indent=1).encode()))
    return len(wanted)


def apply_overlay(frame: RGBImage, overlay: NDArray[np.signedinteger], where: str) -> RGBImage:
    """Return clip(frame + overlay, 0, 255), uint8 [H, W, 3].

    Args:
        frame: uint8 [H, W, 3].
        overlay: Signed integers [H, W, 3]. Unsigned integers would have wrapped around.
        where: Name of the overlay for error messages.

    Raises:
        DataError: The overlay has another size or unsigned integers.
    """
    if overlay.shape != frame.shape or not np.issubdtype(overlay.dtype, np.signedinteger):
        raise DataError(
            f"{where}: 'rgb' is {overlay.dtype} {overlay.shape}; expected signed integers {frame.shape}",
            "Download the overlays again.",
        )
    return np.clip(frame.astype(np.int64) + overlay, 0, 255).astype(np.uint8)


@contextmanager
def _convert_damage_errors(where: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # numpy and zipfile report damaged files with all of these.
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: not an intact overlay ({error})", "Download the overlays again.") from None


def _read_overlay(content: bytes, where: str) -> NDArray[np.signedinteger]:
    with _convert_damage_errors(where), READING_NUMPY_FILE, np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        check_size(Path(where), "'rgb'", arrays.zip.getinfo("rgb.npy").file_size)
        values: NDArray[np.signedinteger] = arrays["rgb"]
        return values


def _find_cityscapes_frames(cityscapes: Path) -> dict[str, Path]:
    """Return the validation frames of Cityscapes by id."""
    if not cityscapes.is_dir():
        raise DataError(f"{cityscapes}: no such folder; expected the folder of Cityscapes", "Correct --cityscapes.")
    with convert_read_errors(cityscapes):
        for folder in iter_subfolders(cityscapes):
            frames = index_by_stem(find_files(folder, "leftImg8bit/val/*/*_leftImg8bit*"), "_leftImg8bit")
            if frames:
                return frames
    return {}


def read_built_version(folder: Path) -> str | None:
    """Return the version recorded in the folder's manifest; None if there is no readable manifest."""
    try:
        manifest = json.loads(read_text(folder / MANIFEST))
    except (OSError, ValueError, RecursionError):
        return None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    return version if isinstance(version, str) and version in ARCHIVES else None
