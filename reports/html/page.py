"""Assemble the page and write it: one file, or a folder if the file would be too large."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from oodbench.contracts import REQUIREMENT_TITLES, RunView
from oodbench.files import cannot_write, write_atomically
from oodbench.metrics import DEFAULT_PROTOCOL
from oodbench.reports.html.answer import summarise_table
from oodbench.reports.html.breakdown import breakdown
from oodbench.reports.html.collect import collect_benchmark, encode_colour_scale
from oodbench.reports.html.provenance import list_provenance
from oodbench.reports.html.sections import build_sections

LARGEST = 60_000_000
"""Largest size of all pictures in one file, in bytes. Above it, each frame's pictures are in a separate file."""

_HERE = Path(__file__).parent / "page"
_STYLES = ("base.css", "tables.css", "frames.css")
_SCRIPTS = (
    "data.js", "counts.js", "colours.js", "benchmarks.js", "table.js", "curves.js", "threshold.js", "pictures.js",
    "viewer.js", "strip.js", "worst.js", "differ.js", "start.js",
)  # fmt: skip


def write_page(run: RunView, out: Path) -> list[Path]:
    """Write the page into a folder and return the files, the page first."""
    sections = [(section, summarise_table(run, section), breakdown(run, section)) for section in build_sections(run)]
    benchmarks = list(dict.fromkeys(section.benchmark for section, *_ in sections))
    with _PictureSpool(out) as spool:
        data = {
            "colours": encode_colour_scale(),
            "benchmarks": [collect_benchmark(run, benchmark, spool.keep) for benchmark in benchmarks],
            "tables": {section.anchor: section.significance() for section, *_ in sections},
        }
        separate = spool.size > LARGEST
        style = "".join((_HERE / name).read_text(encoding="utf-8") for name in _STYLES)
        script = "".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
        page = _make_environment().get_template("report.html.j2").generate(
            title=Path(run.location).absolute().name,
            policy=_make_policy(style, script, separate),
            nonce=_make_nonce(script),
            style=style,
            script=script,
            data=encode_json(data | {"separate": separate}),
            frames=() if separate else spool.texts(),
            sections=sections,
            name_protocols=any(section.protocol != DEFAULT_PROTOCOL for section, *_ in sections),
            benchmarks=benchmarks,
            notes=run.notes,
            provenance=list_provenance,
            costs=dict.fromkeys(
                column.spec for section, *_ in sections for column in section.columns if column.spec.group == "cost"
            ),
            flags=list(REQUIREMENT_TITLES.values()),
        )  # fmt: skip
        folder = out / "report" if separate else out
        path = folder / ("index.html" if separate else "report.html")
        files = [path]
        if separate:
            for number, text in enumerate(spool.texts()):
                files.append(folder / "frames" / f"{number}.js")
                content = f"oodbenchFrame({number}, {text});\n".encode()
                write_atomically(files[-1], lambda file, content=content: file.write(content))  # type: ignore[misc]
        write_atomically(path, lambda file: file.writelines(piece.encode(errors="backslashreplace") for piece in page))
    return files


def encode_json(content: Any) -> str:
    """Return JSON for a script element, without any character that could end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


class _PictureSpool:
    """The pictures of frames, kept on disk until their total size is known.

    They are in a file without a name on the disk of the page, because the disk for temporary files can be small.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sizes: list[int] = []

    def __enter__(self) -> _PictureSpool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # closed by __exit__
        except OSError as error:
            raise cannot_write(self._folder, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the disk is full, and what is buffered can't be written
            self._file.close()

    @property
    def size(self) -> int:
        """Size of all pictures in bytes."""
        return sum(self._sizes)

    def keep(self, pictures: dict[str, Any]) -> int:
        """Store the pictures of a frame and return its number on the page."""
        text = encode_json(pictures).encode()
        try:
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise cannot_write(self._folder, error) from error
        self._sizes.append(len(text))
        return len(self._sizes) - 1

    def texts(self) -> Iterator[str]:
        """Yield the pictures of all frames, in order."""
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size).decode()


def _make_environment() -> Environment:
    loader = FileSystemLoader(_HERE)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _make_policy(style: str, script: str, separate: bool) -> str:
    """Return the Content-Security-Policy: the page's own style and script, embedded pictures, and no request at all.

    The page of a folder may also load the files with frames, by a nonce, because file:// has no origin to name.
    """
    scripts = [f"'sha256-{_compute_hash(script)}'", *([f"'nonce-{_make_nonce(script)}'"] if separate else [])]
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src 'sha256-{_compute_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _compute_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _make_nonce(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()[:32]
