"""Hostile names: a network, its classes, frames and score maps get names that mean something to an output.

Correct: the name is refused where it enters, or each output shows it without acting on it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tools.attack.ledger import Finding
from tools.attack.material import RUN, Material
from tools.attack.process import Outcome, run_forked

_PIECES = (
    "\n", "\r", "\t", "\x1b[31m", "\x07", "\x9b31m", "\u202e", "\u2028", "$x$", "$_$", "\\input{/etc/passwd}",
    "\\write18{id}", "}", "{", "&", "%", "#", "_", "^", "~", "|", "`", "*", "<script>alert(1)</script>", "</script>",
    "<!--", "=1+1", "@SUM(A1)", "+1", "-1", "[red]", "[/]", "{{ 7 * 7 }}", "../../x", "/etc/x", "'", '"', ";", "$(id)",
    "é", "漢字", "🐄", " ", "CON", "a" * 300,
)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_COMMANDS = re.compile(r"\\(input|write)")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?")


class Names:
    """The campaign."""

    def __init__(self, material: Material) -> None:
        self._material = material

    def __call__(self, index: int, random: Random) -> Iterator[Finding]:
        """Carry out a trial."""
        name = "".join(random.choice(_PIECES) for _ in range(random.choice((1, 1, 2, 3))))
        folder = self._material.begin()
        place = ("network", "frame", "folder of score maps", "photograph")[index % 4]
        commands = self._prepare(place, name, folder)
        if commands is None:
            return
        for command in commands:
            outcome = run_forked(command, folder)
            detail = f"{name!r}: {' '.join(command)}; code {outcome.code}; {outcome.message}"
            if outcome.fault is not None:
                yield Finding(f"name of a {place}", outcome.fault, f"{detail} {outcome.stderr[-800:]}")
                return
            raw = self._find_raw(outcome, folder)
            if raw:
                yield Finding(f"name of a {place}", "raw name", f"{detail}; {raw}")
                return
            if outcome.code != 0:
                yield Finding(f"name of a {place}", "refused", detail)
                return
        yield Finding(f"name of a {place}", "shown as it is", repr(name))

    def _prepare(self, place: str, name: str, folder: Path) -> list[tuple[str, ...]] | None:
        """Give the name to something and return the commands that meet it; None if the file system can't have it."""
        tables = [("report", "out", "--format", kind) for kind in ("terminal", "csv", "latex", "markdown", "html")]
        if place == "network":
            card = (folder / "net.toml").read_text()
            (folder / "net.toml").write_text(card.replace('"tiny"', json.dumps(name)), encoding="utf-8")
            return [(*RUN, "--until", "report"), *tables, ("compare", "out")]
        if "/" in name or len(name.encode()) > 200:
            return None
        if place == "folder of score maps":
            (folder / "maps").rename(folder / name)
            evaluate = ("evaluate", "--scores", f"./{name}", "--anomalous", "higher", "--benchmark", "road-anomaly-21")
            return [(*evaluate, "--data", "ra", "--out", "out"), *tables]
        if place == "photograph":
            first = next((folder / "photographs").iterdir())
            first.rename(first.with_name(f"{name}.png"))
            return [("predict", "photographs", "--model", "net.onnx", "--method", "msp", "--out", "out")]
        image = folder / "id" / "images" / "val"
        first = next(image.iterdir())
        label = next(path for path in (folder / "id" / "labels" / "val").iterdir() if path.stem == first.stem)
        first.rename(first.with_name(name + first.suffix))
        label.rename(label.with_name(name + label.suffix))
        return [(*RUN, "--until", "report"), *tables]

    def _find_raw(self, outcome: Outcome, folder: Path) -> str:
        """Return where a name acts on an output; empty if nowhere."""
        printed = (outcome.stdout + outcome.stderr).replace("\n", "").replace("\t", "").replace("\r", "")
        if _CONTROL.search(printed):
            return "control character on the terminal"
        for path in folder.joinpath("out").rglob("*"):
            if path.suffix == ".csv":
                for row in csv.reader(path.read_text(encoding="utf-8").splitlines()):
                    for cell in row:
                        if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
                            return f"formula in {path.name}: {cell[:50]!r}"
            elif path.suffix == ".tex" and _COMMANDS.search(path.read_text(encoding="utf-8")):
                return f"command in {path.name}"
            elif path.suffix in (".md", ".html") and "<script>alert" in path.read_text(encoding="utf-8"):
                return f"script in {path.name}"
        outside = {path.name for path in folder.iterdir()} & {"x", "etc"}
        return f"written outside: {outside}" if outside else ""
