"""The LaTeX table, compiled with a real LaTeX if one is installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from oodbench.contracts import Intervals
from oodbench.registry import Registry
from oodbench.testing.fake_run import HandmadeRun, make_result
from tests.helpers.files import NO_LATEX
from tests.reports.tables.test_published_tables import OTHERS

DOCUMENT = r"""\documentclass{article}
\usepackage[paperwidth=60cm,margin=1cm]{geometry}
\usepackage{booktabs}
\pagestyle{empty}
\begin{document}
%s
\end{document}
"""
# Every character that TeX or its fonts would replace by another.
NAMES = r"../<other>&_% #1 ~ ^ $x$ {y} \z | ? @"


@pytest.fixture
def latex() -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip(f"{NO_LATEX}: apt install texlive-latex-recommended")


@pytest.mark.usefixtures("latex")
def test_latex_compiles_and_prints_every_character(tmp_path: Path) -> None:
    bounds = Intervals(
        level=0.95, method="percentile", unit="frames", units=60, resamples=2000, bounds={"AP": (0.35, 0.46)},
        undefined={},
    )  # fmt: skip
    rows = [
        make_result("msp", 0.2, 0.5, intervals=bounds),
        make_result("msp", 0.3, None, network=NAMES),
        make_result("knn", 0.4, 0.1, label=NAMES),
    ]
    quality = {"net": {"miou": 0.7, "ece": 0.1, "dataset": NAMES, "split": "val", "frames": 5}}
    table = Registry().report("latex").text(HandmadeRun(rows, quality=quality, published=OTHERS))
    (tmp_path / "table.tex").write_text(DOCUMENT % table)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "Missing character" not in (tmp_path / "table.log").read_text(errors="replace")
    if shutil.which("pdftotext"):
        printed = subprocess.run(
            ["pdftotext", "-layout", "table.pdf", "-"], cwd=tmp_path, capture_output=True, text=True
        )
        # TeX's fonts render the underscore as a rule, and have the other two as accents.
        assert NAMES.replace("_", " ").replace("~", "\u02dc").replace("^", "\u02c6") in printed.stdout
        assert "25.82 / 25.83" in printed.stdout
        assert "[35.0, 46.0]" in printed.stdout
