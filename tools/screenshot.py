"""Screenshot of a run's HTML report in a browser.

    python -m tools.screenshot RUN PICTURE [--width 1280] [--dark] [--section frames] [--height 0]

Creates the report if RUN has none. The picture shows the whole page or one section of it, cropped to `--height` if this
is given. The ending of its file name determines the format. Prints the size of the picture.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from PIL import Image

import oodbench
from tests.helpers.browser import browser


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=0)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--section", default="")
    options = parser.parse_args()
    path = options.run / "report" / "report.html"
    if not path.is_file():
        (path, *_) = oodbench.load(options.run).report("html")
    with tempfile.TemporaryDirectory() as scratch, browser(Path(scratch)) as page:
        page.size(options.width, 900, options.dark)
        page.open(path)
        page.size(options.width, page.run("return document.documentElement.scrollHeight"), options.dark)
        time.sleep(1)  # for pictures that load when they become visible
        left, top, width, height = page.run(
            "const box = (document.getElementById(arguments[0]) || document.documentElement).getBoundingClientRect();"
            "return [box.left, box.top, box.width, box.height]",
            options.section,
        )
        shot = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
    height = min(options.height or height, height)
    edge = min(24, int(left))  # margin of the page around the section
    shot.crop((int(left) - edge, int(top), int(left + width) + edge, int(top + height))).save(
        options.picture, quality=85
    )
    print(f"{options.picture}: {int(width) + 2 * edge} x {int(height)}, {options.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
