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
        "The image, its label, MSP of the softmax network, and the density of GMMSeg. The colour shows how rare a "
        "score is among in-distribution pixels, so you can compare methods.",
        f"--figure qualitative {_ONE} --methods 'msp / streets-softmax' --methods 'gmmseg / streets-gmmseg'",
        photographs=True,
    ),
    Exhibit(
        "Segmentation figure",
        "The predicted classes of the network with the softmax head and of the one with GMMSeg's head. Anomalies are "
        "void in the label.",
        f"--figure segmentation {_ONE} --networks streets-softmax --networks streets-gmmseg",
        photographs=True,
    ),
    Exhibit(
        "Precision-recall curves",
        "Each method has a colour, and each network has a line style. The dot marks FPR95. The grey line is random "
        "scoring.",
        f"--figure precision-recall {_ONE}",
    ),
    Exhibit(
        "ROC curves",
        "The ROC curves of the same methods. The dashed line marks a recall of 95 %.",
        f"--figure roc {_ONE}",
    ),
    Exhibit(
        "Score histograms",
        "The scores of anomalous and of in-distribution pixels. The bars of each kind of pixel add up to 100 %. The "
        "dashed line is the threshold that was chosen without anomalies.",
        f"--figure score-histograms {_ONE}",
    ),
    Exhibit(
        "Accuracy against cost",
        "AP against the milliseconds per frame. Bars are 95 % intervals, which are wide on ten frames. Times depend on "
        "the machine, which the figure names.",
        f"--figure accuracy-cost {_ONE}",
    ),
)
TABLE = Exhibit(
    "Table with published numbers",
    "The measured results, and a separate table with the published numbers on the hidden test set of Fishyscapes "
    "Static, which no run can measure. If two papers differ, the table shows both numbers.",
    f"--format markdown {_ONE} --published fishyscapes-static-hidden-test",
)
_INTRODUCTION = """\
# Figure gallery

This page shows each figure and table of `oodbench report`, with the command that makes it.

```sh
oodbench report RUN --figure qualitative
```

Replace `RUN` by the folder of your run. The figures here are those of `oodbench run` without arguments: ten synthetic
frames per benchmark and two small networks. They show what the toolkit draws, and are not evidence about methods.
[Make tables and figures for a paper](paper-figures.md) describes the options. `python -m tools.gallery` generates this
page and its pictures.
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
    text = textwrap.fill(exhibit.text, 120, break_on_hyphens=False)
    return f"## {exhibit.title}\n\n{text}\n\n```sh\noodbench report RUN {exhibit.options}\n```\n"


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
