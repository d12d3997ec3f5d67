"""A page to open: who wins and by how much, and where each method fails, in one file that asks nothing of the network.

`scorers` to `crops` collect, `pictures` encodes, `answer` to `provenance` put into words, `page` writes. What the page
does with it in the browser is in page/: a template, styles, and scripts without a library.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oodbench.contracts import Report, ReportCard, RunView

PLUGINS = {"reports": {"html": ("Html", "a page with tables, curves, frames under a threshold to move, worst cases")}}


class Html(Report):
    """One file, `report.html`; beyond `page.LARGEST` bytes a folder of that name with the frames beside the page."""

    card = ReportCard("html", "Page to open in a browser")

    def write(self, run: RunView, out: Path) -> Sequence[Path]:
        from oodbench.reports.html.page import write_page

        return write_page(run, out)
