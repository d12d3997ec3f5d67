"""Makes docs/gallery.md and its pictures: `python -m tools.gallery`.

It makes the run that `oodbench run` makes where nothing is named, unless the folder of one is given, and shows each
figure with the command that draws it.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURES = DOCS / "gallery.md", DOCS / "images" / "gallery"


@dataclass(frozen=True)
class Exhibit:
    """What one command makes.

    Attributes:
        title: the heading.
        text: what one sees.
        options: of `oodbench report RUN`.
        photographs: kept as JPEG, else as PNG.
    """

    title: str
    text: str
    options: str
    photographs: bool = False


_ONE = "--benchmarks streets-anomaly"
EXHIBITS = (
    Exhibit(
        "Qualitative figure",
        "Image, label, MSP of the softmax network, and GMMSeg's density. The colour says how rare such a score is "
        "among in-distribution pixels, so that methods can be compared.",
        f"--figure qualitative {_ONE} --methods 'msp / streets-softmax' --methods 'gmmseg / streets-gmmseg'",
        photographs=True,
    ),
    Exhibit(
        "Segmentation figure",
        "What the base network and the one with GMMSeg's head take every pixel for. Anomalies are void in the label.",
        f"--figure segmentation {_ONE} --networks streets-softmax --networks streets-gmmseg",
        photographs=True,
    ),
    Exhibit(
        "Precision-recall curves",
        "One colour a method, one kind of line a network; the dot is where FPR95 is read, the grey line is chance.",
        f"--figure precision-recall {_ONE}",
    ),
    Exhibit("ROC curves", "The same of the rates. The dashed line is a recall of 95 %.", f"--figure roc {_ONE}"),
    Exhibit(
        "Score histograms",
        "Each kind of pixel adds up to 100 %. The dashed line is the threshold that is chosen without anomalies.",
        f"--figure score-histograms {_ONE}",
    ),
    Exhibit(
        "Accuracy against cost",
        "Bars are 95 % intervals: on ten frames they are wide. Times are of the machine that is named.",
        f"--figure accuracy-cost {_ONE}",
    ),
)
TABLE = Exhibit(
    "Table with published numbers",
    "The measured rows, and in a table of its own, since no run can measure it, Fishyscapes' hidden test set of Static "
    "as two papers have it; where they differ both numbers stand there.",
    f"--format markdown {_ONE} --published fishyscapes-static-hidden-test",
)
_INTRODUCTION = """\
# Gallery

What `oodbench report` makes of the run that `oodbench run` makes where nothing is named: ten synthetic frames of each
benchmark and two small networks, a place to try things out and no evidence about methods. `python -m tools.gallery`
made this page and its pictures. [paper.md](paper.md) has the options.
"""


def page(pictures: Sequence[str], table: str) -> str:
    """The page.

    Args:
        pictures: their files' names, in the order of `EXHIBITS`.
        table: what the table's command printed.
    """
    parts = [_INTRODUCTION]
    for exhibit, picture in zip(EXHIBITS, pictures, strict=True):
        parts.append(f"{_opening(exhibit)}\n![{exhibit.title}](images/gallery/{picture})\n")
    return "\n".join([*parts, f"{_opening(TABLE)}\n{table}"])


def _opening(exhibit: Exhibit) -> str:
    return f"## {exhibit.title}\n\n{textwrap.fill(exhibit.text, 120)}\n\n    oodbench report RUN {exhibit.options}\n"


def report(run: Path, options: str, *more: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "oodbench", "report", str(run), *shlex.split(options), *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # our own


def shrink(picture: Path, photographs: bool, folder: Path) -> str:
    """Put a small copy into the folder and return its name: for screens, not for print."""
    with Image.open(picture) as opened:
        copy = opened.convert("RGB")
    if photographs:
        copy.save(folder / f"{picture.stem}.jpg", quality=85, optimize=True)
        return f"{picture.stem}.jpg"
    copy.quantize(64, dither=Image.Dither.NONE).save(folder / f"{picture.stem}.png", optimize=True)
    return f"{picture.stem}.png"


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="the folder of the default run; made anew without it")
    run: Path | None = parser.parse_args().run
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        if run is None:
            run = out / "run"
            subprocess.run([sys.executable, "-m", "oodbench", "run", "--out", str(run)], check=True)  # our own
        PICTURES.mkdir(parents=True, exist_ok=True)
        pictures = []
        for exhibit in EXHIBITS:
            files = report(run, exhibit.options, "--out", str(out / "figures")).splitlines()
            (png,) = [Path(file) for file in files if file.endswith(".png")]
            pictures.append(shrink(png, exhibit.photographs, PICTURES))
        PAGE.write_text(page(pictures, report(run, TABLE.options)), encoding="utf-8")


if __name__ == "__main__":
    main()
