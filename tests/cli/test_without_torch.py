"""Verbs that only read a run do not import torch, which takes seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import oodbench

PROGRAM = """
import sys
from oodbench.cli.main import main
sys.argv = ["oodbench", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None, 75), end.code  # 75: the run has no reports, so it is not finished
assert "torch" not in sys.modules
"""
VERBS = {
    "report": "report RUN",
    "csv": "report RUN --format csv --format latex --format markdown",
    "html": "report RUN --format html --out OUT",
    "figures": "report RUN --figure roc --figure heatmaps --figure qualitative --out OUT",
    "compare": "compare RUN",
    "gate": "gate RUN --baseline BASELINE",
    "status": "status RUN",
    "list": "list methods",
    "protocols": "list protocols",
    "benchmarks": "list benchmarks",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    oodbench.run(
        models="streets-gmmseg",
        methods=["gmmseg", "msp", "knn"],
        benchmarks="streets-anomaly",
        limit=5,
        id_limit=1,
        stop_after="evaluate",
        out=folder,
    )
    oodbench.accept(folder, folder.parent / "baseline.json")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_torch_is_not_imported(run: Path, tmp_path: Path, verb: str) -> None:
    paths = {"RUN": run, "OUT": tmp_path, "BASELINE": run.parent / "baseline.json"}
    arguments = [str(paths.get(word, word)) for word in VERBS[verb].split()]
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
