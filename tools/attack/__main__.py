"""Command line of the attacks; see the package."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

Campaign = Callable[[int, Random], Iterator["Finding"]]

for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):  # a process with waiting threads can't be forked
    os.environ[_name] = "1"

from tools.attack.flips import Flips  # noqa: E402  # after the environment
from tools.attack.folders import Folders  # noqa: E402
from tools.attack.full_disk import FullDisk  # noqa: E402
from tools.attack.kills import Kills  # noqa: E402
from tools.attack.ledger import FAULTS, Finding, Ledger  # noqa: E402
from tools.attack.material import Material  # noqa: E402
from tools.attack.names import Names  # noqa: E402
from tools.attack.signals import Signals  # noqa: E402
from tools.attack.table import make_table  # noqa: E402

CAMPAIGNS: dict[str, Callable[[Material], Campaign]] = {
    "folders": Folders,
    "names": Names,
    "kills": Kills,
    "full-disk": FullDisk,
    "flips": Flips,
    "signals": Signals,
}
_IMPORTED = (
    "oodbench.cli.main",
    "oodbench.workflows.run",
    "oodbench.workflows.evaluate_scores",
    "oodbench.workflows.predict",
    "oodbench.workflows.submit",
    "oodbench.workflows.merge",
    "oodbench.runs.verify",
    "oodbench.segmenters.onnx",
    "oodbench.training.train",
    "oodbench.reports.html.page",
    "oodbench.reports.figures.style",
    "onnxruntime",
    "matplotlib.pyplot",
)
"""Modules that forked processes find imported."""


def main(arguments: list[str]) -> int:
    """Carry out the trials, or print the table of the ledger."""
    parser = argparse.ArgumentParser(prog="python -m tools.attack", description=__doc__)
    parser.add_argument("campaigns", nargs="*", choices=[[], *CAMPAIGNS], help="by default all")
    parser.add_argument("--ledger", type=Path, default=Path("attack.jsonl"), help="file of the trials")
    parser.add_argument("--trials", type=int, default=20, help="number of trials of each campaign")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no trial after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print the table of the ledger in Markdown and exit")
    options = parser.parse_args(arguments)
    ledger = Ledger(options.ledger)
    if options.table:
        print(make_table(ledger.trials))
        return 0
    for module in _IMPORTED:
        importlib.import_module(module)
    commit, started, faults = read_commit(), time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        material = Material(Path(folder))
        campaigns = {name: CAMPAIGNS[name](material) for name in options.campaigns or CAMPAIGNS}
        # Campaigns take turns, so that a run that ends early has trials of each.
        for index in range(options.trials):
            for name, campaign in campaigns.items():
                if time.monotonic() - started > options.seconds:
                    break
                if ledger.has(name, options.seed, index, commit):
                    continue
                random = Random(f"{name} {options.seed} {index}")  # noqa: S311  # no cryptography
                findings = tuple(campaign(index, random))
                ledger.add(name, options.seed, index, commit, findings)
                for finding in findings:
                    if finding.verdict in FAULTS:
                        faults += 1
                        print(f"{name} {index}: {finding.subject}: {finding.verdict}: {finding.detail}", flush=True)
    print(f"{len(ledger.trials)} trials in {options.ledger}, {faults} new faults")
    return 1 if faults else 0


def read_commit() -> str:
    """Return the abbreviated commit of this checkout, with a plus sign if files are changed."""
    folder = Path(__file__).parent
    commit = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], cwd=folder, capture_output=True, text=True)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=folder, capture_output=True, text=True)
    return (commit.stdout.strip() or "unknown") + ("+" if changed.stdout.strip() else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
