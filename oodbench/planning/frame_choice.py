"""Choice of the frames of each benchmark: the first ones (`--limit`), or those with certain ids (`--frames`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from oodbench.errors import DataError, UnknownNameError, UsageError
from oodbench.files import expand_home, read_text
from oodbench.planning.request import Request
from oodbench.planning.resolve import take_first
from oodbench.types import FrameSet

_SEE = "oodbench run --dry-run --json, which prints the ids"


def choose_frames(sets: Mapping[str, FrameSet], request: Request) -> dict[str, FrameSet]:
    """Return the frames of each benchmark that a request selects, in the order of the benchmark.

    Ids without the name of a benchmark are looked up in all benchmarks. A benchmark that has none of them is left out
    if the request does not name it.

    Args:
        sets: The frames of each benchmark, by name.
        request: The request.

    Raises:
        UnknownNameError: A benchmark, or a frame, does not exist.
        UsageError: No frame is selected, or none of a benchmark that the request names.
        DataError: A file with ids can't be read.
    """
    if not request.frames:
        return {name: take_first(found, request.limit) for name, found in sets.items()}
    ids_of = {name: [frame.id for frame in found.frames] for name, found in sets.items()}
    shared, named = _read_choices(request.frames, ids_of)
    chosen = {}
    for name, found in sets.items():
        ids = set(named.get(name, shared))
        frames = tuple(frame for frame in found.frames if frame.id in ids)
        if frames:
            chosen[name] = replace(found, frames=frames)
        elif name in request.benchmarks:
            raise UsageError(f"--frames selects no frame of {name}", f"Add --frames {name}=ID, or omit the benchmark.")
    return chosen


def _read_choices(specs: Sequence[str], ids_of: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the ids for any benchmark, and the ids for the benchmarks that `NAME=` names."""
    anywhere = {identity for ids in ids_of.values() for identity in ids}
    shared: list[str] = []
    named: dict[str, list[str]] = {}
    for spec in specs:
        name, equals, rest = spec.partition("=")
        if not equals or spec in anywhere or Path(expand_home(spec)).is_file():
            shared += _read_ids(spec, anywhere, ", ".join(ids_of))
        elif name in ids_of:
            named.setdefault(name, []).extend(_read_ids(rest, ids_of[name], name))
        else:
            raise UnknownNameError("benchmark", name, ids_of, where="--frames")
    return shared, named


def _read_ids(text: str, known: Collection[str], benchmarks: str) -> list[str]:
    """Return the ids in a file with one id per line, in which lines with # are comments, or in a text with commas.

    Raises:
        UnknownNameError: An id is not among the known ones, and is not a file.
        UsageError: The text names a folder, or no frame.
        DataError: The file can't be read.
    """
    path = Path(expand_home(text))
    if text in known:  # before the comma, which an id may contain
        return [text]
    if path.is_dir():
        raise UsageError(f"--frames {text}: a folder; expected ids, or a file with one id per line", f"See: {_SEE}")
    if path.is_file():
        try:
            parts = [line for line in read_text(path).splitlines() if not line.lstrip().startswith("#")]
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: can't be read ({error})", "Write one id of a frame per line, as text.") from None
    else:
        parts = text.split(",")
    ids = [part.strip() for part in parts if part.strip()]
    if not ids:
        raise UsageError(f"--frames '{text}' names no frame", "Give ids as ID,ID or a file with one id per line.")
    kind = f"frame of {benchmarks}" if path.is_file() or len(parts) > 1 else f"frame of {benchmarks}, or file,"
    for identity in ids:
        if identity not in known:
            raise UnknownNameError(kind, identity, known, _SEE, where="--frames")
    return ids
