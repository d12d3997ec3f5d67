"""A self-contained HTML page with the best method per benchmark, and the frames in which each method fails.

`scorers` to `thumbnails` collect data, `pictures` encodes it, `answer` to `provenance` describe it in text, and `page`
writes the file. The page makes no network requests. Its template, styles and scripts, which use no library, are in
page/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from oodbench.contracts import Report, ReportCard, RunView

PLUGINS = {
    "reports": {"html": ("Html", "a page with tables, curves, frames with an adjustable threshold, and worst cases")}
}


class Html(Report):
    """One file, `report.html`; above `page.LARGEST` bytes, a folder of that name with the frames in separate files."""

    card = ReportCard("html", "Page to open in a browser")

    @override
    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        from oodbench.reports.html.page import write_page

        return write_page(run, out)
