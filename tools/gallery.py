"""Generator of docs/how-to/figure-gallery.md and its pictures.

    python -m tools.gallery [--run RUN]

The page shows each figure with the command that renders it. Without RUN, the program starts `oodbench run` without
arguments.
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
PAGE, PICTURES = DOCS / "how-to" / "figure-gallery.md", DOCS / "images" / "gallery"


@dataclass(frozen=True)
class Exhibit:
    """A section of the page: one command and its output.

    Attributes:
        title: The heading.
        text: A description of the output.
        options: Options of `oodbench report RUN`.
        photographs: Whether to store the picture as JPEG; otherwise PNG.
    """

    title: str
    text: str
    options: str
    photographs: bool = False


_ONE = "--benchmarks streets-anomaly"
EXHIBITS = (
    Exhibit(
        "Qualitative figure",
        "Image, label, MSP of the softmax network, and GMMSeg's density. The colour shows how rare a score is among "
        "in-distribution pixels, so that methods can be compared.",
        f"--figure qualitative {_ONE} --methods 'msp / streets-softmax' --methods 'gmmseg / streets-gmmseg'",
        photographs=True,
    ),
    Exhibit(
        "Segmentation figure",
        "The classes that the base network and the one with GMMSeg's head predict. Anomalies are void in the label.",
        f"--figure segmentation {_ONE} --networks streets-softmax --networks streets-gmmseg",
        photographs=True,
    ),
    Exhibit(
        "Precision-recall curves",
        "One colour per method, one line style per network. The dot marks FPR95, the grey line is random scoring.",
        f"--figure precision-recall {_ONE}",
    ),
    Exhibit(
        "ROC curves",
        "ROC curves of the same methods. The dashed line is a recall of 95 %.",
        f"--figure roc {_ONE}",
    ),
    Exhibit(
        "Score histograms",
        "The bars of each kind of pixel add up to 100 %. The dashed line is the threshold chosen without anomalies.",
        f"--figure score-histograms {_ONE}",
    ),
    Exhibit(
        "Accuracy against cost",
        "Bars are 95 % intervals, which are wide on ten frames. Times are those of the machine that is named.",
        f"--figure accuracy-cost {_ONE}",
    ),
)
TABLE = Exhibit(
    "Table with published numbers",
    "The measured results, and a separate table with published numbers on Fishyscapes' hidden test set of Static, "
    "which no run can measure. If the two papers differ, both numbers are shown.",
    f"--format markdown {_ONE} --published fishyscapes-static-hidden-test",
)
_INTRODUCTION = """\
# Gallery

The output of `oodbench report` for the run of `oodbench run` without arguments: ten synthetic frames per benchmark and
two small networks. Use it to try the toolkit, not to judge methods. `python -m tools.gallery` generated this page and
its pictures. [Figures for a paper](paper-figures.md) describes the options.
"""


def make_page(pictures: Sequence[str], table: str) -> str:
    """Return the text of the page.

    Args:
        pictures: File names of the pictures, in the order of `EXHIBITS`.
        table: Output of the table's command.
    """
    parts = [_INTRODUCTION]
    for exhibit, picture in zip(EXHIBITS, pictures, strict=True):
        parts.append(f"{_format_opening(exhibit)}\n![{exhibit.title}](../images/gallery/{picture})\n")
    return "\n".join([*parts, f"{_format_opening(TABLE)}\n{table}"])


def _format_opening(exhibit: Exhibit) -> str:
    return f"## {exhibit.title}\n\n{textwrap.fill(exhibit.text, 120)}\n\n    oodbench report RUN {exhibit.options}\n"


def run_report(run: Path, options: str, *more: str) -> str:
    """Return the output of the command."""
    command = [sys.executable, "-m", "oodbench", "report", str(run), *shlex.split(options), *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # the command is our own


def shrink(picture: Path, photographs: bool, folder: Path) -> str:
    """Write a copy with a smaller file size into the folder, for screens instead of print, and return its name."""
    with Image.open(picture) as opened:
        copy = opened.convert("RGB")
    if photographs:
        copy.save(folder / f"{picture.stem}.jpg", quality=85, optimize=True)
        return f"{picture.stem}.jpg"
    copy.quantize(64, dither=Image.Dither.NONE).save(folder / f"{picture.stem}.png", optimize=True)
    return f"{picture.stem}.png"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, help="folder of the default run; without it, a new run is made")
    run: Path | None = parser.parse_args().run
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        if run is None:
            run = out / "run"
            subprocess.run([sys.executable, "-m", "oodbench", "run", "--out", str(run)], check=True)  # our own command
        PICTURES.mkdir(parents=True, exist_ok=True)
        pictures = []
        for exhibit in EXHIBITS:
            files = run_report(run, exhibit.options, "--out", str(out / "figures")).splitlines()
            (png,) = [Path(file) for file in files if file.endswith(".png")]
            pictures.append(shrink(png, exhibit.photographs, PICTURES))
        PAGE.write_text(make_page(pictures, run_report(run, TABLE.options)), encoding="utf-8")


if __name__ == "__main__":
    main()
