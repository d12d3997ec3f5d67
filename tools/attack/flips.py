"""Damaged files: one file of a finished run, or one source image, is changed, and verbs read it.

Correct: an error, the same output, or the file computed again. Another output with exit code 0 is silent damage.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tools.attack.content import differences, read_content
from tools.attack.ledger import Finding
from tools.attack.material import RUN, Material
from tools.attack.process import Outcome, run_forked

VERBS: Mapping[str, tuple[str, ...]] = {
    "run": RUN,
    "report": ("report", "out"),
    "html": ("report", "out", "--format", "html"),
    "compare": ("compare", "out"),
    "evaluate": ("evaluate", "out"),
    "verify": ("verify", "out"),
    "gate": ("gate", "out", "--baseline", "baseline.json"),
}
"""The commands that read a run."""

_BASELINE = ("gate", "out", "--baseline", "baseline.json", "--accept")
_BEFORE = (RUN, _BASELINE, ("evaluate", "out", "--protocol", "pooled", "--protocol", "smiyc"))
_DEPENDENTS = ("results", "sketches", "breakdowns", "result.json")
"""What an interrupted run has not written yet. `resume` is the verb `run` without these files."""

_SOURCES = "source image"
_RESUME = "resume"
_VERBS_PER_FILE = 3


def flip_byte(data: bytearray, random: Random) -> None:
    """Change one byte."""
    data[random.randrange(len(data))] ^= random.randrange(1, 256)


def flip_bit(data: bytearray, random: Random) -> None:
    """Change one bit."""
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def zero(data: bytearray, random: Random) -> None:
    """Set a range to zero, as a torn download does."""
    start = random.randrange(len(data))
    length = min(random.randrange(1, 512), len(data) - start)
    data[start : start + length] = bytes(length)


def cut(data: bytearray, random: Random) -> None:
    """Drop the end."""
    del data[random.randrange(len(data)) :]


def extend(data: bytearray, random: Random) -> None:
    """Add bytes."""
    data.extend(random.randbytes(random.randrange(1, 64)))


def change_digit(data: bytearray, random: Random) -> None:
    """Replace one digit of a text, as an editor does."""
    digits = [position for position, value in enumerate(data) if 48 <= value <= 57]
    if digits:
        position = random.choice(digits)
        data[position] = 48 + (data[position] - 48 + random.randrange(1, 10)) % 10


DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (flip_byte, flip_bit, zero, cut, extend, change_digit)


class Flips:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._references: dict[str, tuple[Mapping[str, str], Outcome]] = {}

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        folder = self._material.begin(_BEFORE)
        if index % 5 == 4:
            yield from self._damage_source(folder, random)
            return
        kinds = self._kinds(folder / "out")
        kind = list(kinds)[index % len(kinds)]
        path = random.choice(kinds[kind])
        damaged, detail = self._damage(path, kinds[kind], random)
        if damaged == path.read_bytes():
            return
        name = path.relative_to(folder)
        for verb in random.sample([*VERBS, _RESUME], _VERBS_PER_FILE):
            yield Finding(f"{kind}: {verb}", *self._judge(verb, folder, kind, name, damaged, detail))

    def _judge(self, verb: str, folder: Path, kind: str, name: Path, damaged: bytes, detail: str) -> tuple[str, str]:
        expected, unbroken = self._reference(verb)
        self._material.begin(_BEFORE)
        (folder / name).write_bytes(damaged)
        if verb == _RESUME:
            self._drop_dependents(folder)
        outcome = run_forked(VERBS.get(verb, RUN), folder)
        detail = f"{name}: {detail}; code {outcome.code}; {outcome.message}"
        if outcome.fault is not None:
            return outcome.fault, f"{detail} {outcome.stderr[-600:]}"
        changed = [file for file in differences(read_content(folder), expected) if file != str(name)]
        if outcome.code == unbroken.code:
            still = (folder / name).is_file() and (folder / name).read_bytes() == damaged
            # Costs and environments are measured, so that other values in them are not wrong numbers.
            printed = kind in ("costs", "environments") or outcome.stdout == unbroken.stdout
            if verb == "verify" and still and kind not in ("costs", "environments", "report", "digests.jsonl"):
                return "not noticed", detail
            if changed or not printed:
                return "silent", f"{detail}; changed: {changed}; {outcome.stdout[-600:] if not printed else ''}"
            return ("same output" if still else "healed"), detail
        if outcome.code not in (2, 4, 5) and not (verb == "gate" and outcome.code == 1):
            return "wrong code", detail
        if verb == "gate" and outcome.code == 1:
            return "silent", detail
        return "error", detail

    def _damage_source(self, folder: Path, random: Random) -> Iterator[Finding]:
        """Damage an image or a label of the benchmark, and check and score it."""
        path = random.choice(sorted((folder / "ra").rglob("*.jpg")) + sorted((folder / "ra").rglob("*semantic.png")))
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damage = random.choice(DAMAGES[:3])
        damage(damaged, random)
        if damaged == whole:
            return
        name = path.relative_to(folder)
        path.write_bytes(damaged)
        subject = f"{_SOURCES} {path.suffix[1:].upper()}"
        outcome = run_forked(("data", "verify", "road-anomaly-21", "--data", "ra"), folder)
        detail = f"{name}: {damage.__name__}; code {outcome.code}; {outcome.message or outcome.stdout[:200]}"
        if outcome.fault is not None:
            yield Finding(f"{subject}: data verify", outcome.fault, f"{detail} {outcome.stderr[-600:]}")
            return
        lines = outcome.stdout + outcome.stderr
        missed = "same pixels" if _have_same_pixels(whole, bytes(damaged)) else "accepted"
        yield Finding(f"{subject}: data verify", "error" if name.name in lines else missed, detail)
        # A stored run knows the digest of each frame.
        outcome = run_forked(("verify", "out"), folder)
        missed = missed if missed == "same pixels" else "not noticed"
        verdict = outcome.fault or ("error" if outcome.code == 2 else missed)
        yield Finding(f"{subject}: verify", verdict, f"{detail}; code {outcome.code}")

    def _damage(self, path: Path, others: list[Path], random: Random) -> tuple[bytes, str]:
        """Return the damaged content of a file, and what was done to it."""
        siblings = [other for other in others if other != path]
        if siblings and random.random() < 0.15:
            sibling = random.choice(siblings)
            return sibling.read_bytes(), f"content of {sibling.name}"
        data = bytearray(path.read_bytes())
        damage = random.choice(DAMAGES)
        damage(data, random)
        return bytes(data), damage.__name__

    def _kinds(self, run: Path) -> Mapping[str, list[Path]]:
        kinds: dict[str, list[Path]] = {}
        for path in sorted(run.rglob("*")):
            if path.is_file() and path.stat().st_size and path.name != ".lock":
                kinds.setdefault(path.relative_to(run).parts[0], []).append(path)
        return kinds

    def _drop_dependents(self, folder: Path) -> None:
        for name in _DEPENDENTS:
            path = folder / "out" / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _reference(self, verb: str) -> tuple[Mapping[str, str], Outcome]:
        """Return the files and the output of a verb on the undamaged run."""
        if verb not in self._references:
            folder = self._material.begin(_BEFORE)
            if verb == _RESUME:
                self._drop_dependents(folder)
            done = run_forked(VERBS.get(verb, RUN), folder)
            self._references[verb] = (read_content(folder), done)
        return self._references[verb]


def _have_same_pixels(first: bytes, second: bytes) -> bool:
    """Return whether two image files have the same pixels."""
    try:
        before, after = (np.asarray(Image.open(io.BytesIO(data))) for data in (first, second))
    except (OSError, ValueError, SyntaxError):  # Pillow raises SyntaxError for a damaged header
        return False
    return np.array_equal(before, after)
