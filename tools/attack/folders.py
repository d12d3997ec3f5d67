"""Broken folders: a generator damages a small copy of each layout, and all frames are opened, checked and read.

Correct: a clear error, or the frames that the undamaged copy has. An image with the labels of another is a fault, and
so are labels with other pixels.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from oodbench.contracts import Roots
from oodbench.errors import OodbenchError
from oodbench.files import digest_bytes
from oodbench.planning.frame_index import index_frames
from oodbench.progress import Silent
from oodbench.registry import Registry
from oodbench.types import Frame
from tests.helpers.every_layout import BENCHMARKS, DATASETS
from tools.attack.ledger import Finding
from tools.attack.material import Material
from tools.attack.process import call_forked

Pairs = Mapping[str, tuple[str, str | None]]
"""Digests of the pixels of image and labels, by the id of the frame."""


class Folders:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._layouts = [("benchmark", *key, make) for key, make in BENCHMARKS.items()]
        self._layouts += [("dataset", *key, make) for key, make in DATASETS.items()]
        self._whole: dict[tuple[str, str], Pairs] = {}

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        noun, name, layout, make = self._layouts[index % len(self._layouts)]
        subject = f"{name}, {layout}"
        prepared = self._material.prepared / f"{name}-{layout}"
        if not prepared.exists():
            make(prepared)
        folder = self._material.begin()
        data = folder / "data"
        shutil.copytree(prepared, data)
        if (name, layout) not in self._whole:
            done = call_forked(partial(read_pairs, noun, name, data), folder)
            if not isinstance(done.value, dict):
                raise RuntimeError(f"{subject}: {done.value or done.stderr}")
            self._whole[name, layout] = done.value
        damages = [damage_folder(data, random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
        done = call_forked(partial(read_pairs, noun, name, data), folder)
        detail = "; ".join(damages)
        if done.fault is not None:
            yield Finding(subject, done.fault, f"{detail}; {done.stderr[-800:]}")
        elif not isinstance(done.value, dict):
            yield Finding(subject, "clear message", f"{detail}; {done.value}")
        else:
            verdict, frames = compare_pairs(done.value, self._whole[name, layout])
            if verdict == "other labels" and _shift_values.__name__ in detail:
                verdict = "valid labels of other classes"
            yield Finding(subject, verdict, f"{detail}; {frames}")


def read_pairs(noun: str, name: str, data: Path) -> Pairs | str:
    """Open the frames below a folder and read them all.

    Returns:
        The digests of each frame, or the message of an error.
    """
    try:
        roots = Roots((data,))
        if noun == "benchmark":
            frames = list(Registry().benchmark(name).open(roots).frames)
        else:
            splits = Registry().dataset(name).open(roots)
            frames = [frame for split in splits.values() for frame in split.frames]
        index_frames(frames, name, Silent())
        return {frame.id: _digest_frame(frame) for frame in frames}
    except OodbenchError as error:
        return error.problem


def compare_pairs(found: Pairs, whole: Pairs) -> tuple[str, str]:
    """Return the verdict on frames that were accepted, and the frames that it is about."""
    partners: dict[str, set[str | None]] = {}
    for image, labels in whole.values():  # two frames can have the same image
        partners.setdefault(image, set()).add(labels)
    known = set().union(*partners.values())
    mixed = [name for name, (image, labels) in found.items() if image in partners and labels in known - partners[image]]
    if mixed:
        return "wrong pairing", ", ".join(mixed)
    other = [name for name, (_, labels) in found.items() if labels not in known]
    if other:
        return "other labels", ", ".join(other)
    images = [name for name, (image, _) in found.items() if image not in partners]
    if images:
        return "other pixels of an image", ", ".join(images)
    return ("same content", "") if len(found) == len(whole) else ("fewer frames", f"{len(found)} of {len(whole)}")


def _digest_frame(frame: Frame) -> tuple[str, str | None]:
    labels = None
    if frame.read_anomaly_labels is not None:
        labels = digest_bytes(frame.read_anomaly_labels().values.tobytes())
    elif frame.read_semantic_labels is not None:
        labels = digest_bytes(frame.read_semantic_labels().values.tobytes())
    return digest_bytes(np.ascontiguousarray(frame.read_image()).tobytes()), labels


# damages


def damage_folder(data: Path, random: Random) -> str:
    """Change one file or folder at random, and return what was done."""
    files = sorted(path for path in data.rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        return "nothing left"
    path = random.choice(files)
    damage = random.choice(DAMAGES)
    try:
        damage(path, random)
    except (OSError, ValueError) as error:  # such as a palette for a photograph
        return f"{damage.__name__} not possible for {path.relative_to(data)} ({type(error).__name__})"
    return f"{damage.__name__} {path.relative_to(data)}"


def _remove(path: Path, _: Random) -> None:
    path.unlink()


def _empty(path: Path, _: Random) -> None:
    path.write_bytes(b"")


def _cut(path: Path, random: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: random.randrange(len(data))] if data else b"")


def _fill(path: Path, random: Random) -> None:
    path.write_bytes(random.randbytes(random.randrange(1, 3000)))


def _flip(path: Path, random: Random) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[random.randrange(len(data))] ^= random.randrange(1, 256)
    path.write_bytes(data)


def _rename(path: Path, random: Random) -> None:
    new = random.choice(("x", f"{path.stem}_copy", path.stem[:-1] or "y", f" {path.stem}", f"-{path.stem}"))
    path.rename(path.with_name(new + path.suffix))


def _name_badly(path: Path, random: Random) -> None:
    bad = random.choice((b"a\nb", b"\x1b[31mred", b"\xff\xfe", b"$(x)", b"=1+1", "é".encode(), b"a" * 200))
    path.rename(os.fsdecode(os.path.join(os.fsencode(path.parent), bad + os.fsencode(path.suffix))))


def _change_ending(path: Path, random: Random) -> None:
    path.rename(path.with_suffix(random.choice((".JPG", ".PNG", ".jpeg", ".bak", "", ".png", ".webp", ".tif"))))


def _copy_beside(path: Path, random: Random) -> None:
    shutil.copy(
        path, path.with_name(random.choice((f"{path.stem} (1){path.suffix}", f"{path.stem}.webp", "extra.png")))
    )


def _make_folder(path: Path, _: Random) -> None:
    path.unlink()
    path.mkdir()


def _make_pipe(path: Path, _: Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _make_link(path: Path, random: Random) -> None:
    target = random.choice((Path("nowhere"), path, Path("/dev/zero"), Path("/dev/null"), path.parent))
    path.unlink()
    path.symlink_to(target)


def _link_whole(path: Path, _: Random) -> None:
    kept = path.parent.with_name(f"{path.parent.name}-kept")
    path.parent.rename(kept)
    path.parent.symlink_to(kept)


def _loop(path: Path, _: Random) -> None:
    (path.parent / "again").symlink_to(path.parent.parent)


def _shadow(path: Path, _: Random) -> None:
    shadow = path.parent / "__MACOSX" / f"._{path.name}"
    shadow.parent.mkdir(exist_ok=True)
    shadow.write_bytes(b"\0\5\26\7Mac OS X")


def _add_junk(path: Path, random: Random) -> None:
    name = random.choice((".DS_Store", "Thumbs.db", "notes.txt", "desktop.ini", f"._{path.name}", ".ipynb_checkpoints"))
    (path.parent / name).write_bytes(random.randbytes(40))


def _resize(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        smaller = image.resize((max(1, image.width - random.choice((1, 8))), image.height), Image.Resampling.NEAREST)
    smaller.save(path, format="PNG")


def _change_mode(path: Path, random: Random) -> None:
    with Image.open(path) as image:
        changed = image.convert(random.choice(("1", "P", "L", "LA", "RGBA", "RGB", "I;16", "F", "CMYK", "I")))
    changed.save(path, format=random.choice(("PNG", "TIFF", "GIF", "BMP", "WEBP", "JPEG")))


def _turn(path: Path, _: Random) -> None:
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(path, format="PNG", exif=exif)


def _shift_values(path: Path, random: Random) -> None:
    values = np.array(Image.open(path))
    Image.fromarray(values + values.dtype.type(random.choice((1, 40)))).save(path, format="PNG")


def _hide(path: Path, _: Random) -> None:
    path.chmod(0)


def _remove_folder(path: Path, _: Random) -> None:
    shutil.rmtree(path.parent)


def _rename_folder(path: Path, random: Random) -> None:
    path.parent.rename(path.parent.with_name(random.choice(("Images", "x", "images (1)", path.parent.name.upper()))))


DAMAGES: tuple[Callable[[Path, Random], None], ...] = (
    _remove,
    _empty,
    _cut,
    _fill,
    _flip,
    _rename,
    _name_badly,
    _change_ending,
    _copy_beside,
    _make_folder,
    _make_pipe,
    _make_link,
    _link_whole,
    _loop,
    _shadow,
    _add_junk,
    _resize,
    _change_mode,
    _turn,
    _shift_values,
    _hide,
    _remove_folder,
    _rename_folder,
)
