"""The attacks of tools/attack: a few trials of each, and proof that they find a fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.attack.__main__ import CAMPAIGNS
from tools.attack.folders import compare_pairs
from tools.attack.ledger import Finding, Ledger
from tools.attack.table import make_table

ROOT = Path(__file__).parents[1]

# Reading a stored file without a check of its digest, which is the fault that the attack must find.
_WITHOUT_CHECK = """
import sys
from oodbench.storage.sealed import SealedStore
from tools.attack.__main__ import main
from tools.attack import flips

kinds = flips.Flips._kinds
flips.Flips._kinds = lambda self, run: {"scores": kinds(self, run)["scores"]}
flips.VERBS, flips._VERBS_PER_FILE = {"evaluate": flips.VERBS["evaluate"]}, 2
SealedStore._knows = lambda self, key, seal: True
sys.exit(main(sys.argv[1:]))
"""


def attack(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program from another folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_short_attack_finds_no_fault(tmp_path: Path) -> None:
    done = attack("-m", "tools.attack", "--seconds", "45", "--trials", "12", "--ledger", "attack.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    started = {trial.campaign for trial in Ledger(tmp_path / "attack.jsonl").trials}
    assert started >= set(list(CAMPAIGNS)[:3])  # a slow machine does not get further


@pytest.mark.slow
def test_the_attack_finds_maps_that_are_read_without_a_check(tmp_path: Path) -> None:
    arguments = ["flips", "--ledger", "attack.jsonl", "--trials", "3"]
    done = attack("-c", _WITHOUT_CHECK, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"^flips \d: scores: \w+: silent: out/scores/", done.stdout, re.MULTILINE)


def test_the_ledger_adds_up_and_skips_an_incomplete_line(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file)
    ledger.add("kills", 0, 0, "abc", [Finding("run", "same bytes")])
    ledger.add("kills", 0, 1, "abc", [Finding("run", "silent", "killed")])
    with file.open("a") as stream:
        stream.write('\n{"campaign": "kills", "se')
    again = Ledger(file)
    again.add("flips", 0, 0, "abc", [Finding("scores: run", "error")])
    assert again.has("kills", 0, 1, "abc")
    assert not again.has("kills", 1, 1, "abc")
    assert len(Ledger(file).trials) == 3
    table = make_table(Ledger(file).trials)
    assert "2 trials with 2 verdicts, seeds 0; 1 faults." in table
    assert "| run | 1 same bytes | 1 silent |" in table
    assert "| | run |\n|---|---|\n| scores | 1 error |" in table


def test_frames_of_a_damaged_folder_are_judged() -> None:
    whole = {"a": ("image a", "labels a"), "b": ("image b", "labels b")}
    assert compare_pairs(whole, whole) == ("same content", "")
    assert compare_pairs({"a": ("image a", "labels b")}, whole) == ("wrong pairing", "a")
    assert compare_pairs({"a": ("image a", "labels c")}, whole) == ("other labels", "a")
    assert compare_pairs({"a": ("image c", "labels a")}, whole) == ("other pixels of an image", "a")
    assert compare_pairs({"a": whole["a"]}, whole) == ("fewer frames", "1 of 2")
    same = {"a": ("image", "labels a"), "b": ("image", "labels b")}
    assert compare_pairs(same, same) == ("same content", "")
