"""`oodbench gate` in continuous integration: exit codes and outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import oodbench
from oodbench.errors import NotComparableError
from tests.helpers.results import row, write_result

FAULT = """
import sys
import oodbench.cli.gate as verb
from oodbench.cli.main import main
def broken(*_): raise ZeroDivisionError
verb.check_against = broken
sys.argv = ['oodbench', 'gate', 'run', '--baseline', 'b.json']
main()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Create a folder with a run and its baseline of two results."""
    write_result(tmp_path / "run", [row(), row(label="kNN (k=5)", network="other network")])
    assert gate(tmp_path, "--accept").returncode == 0
    return tmp_path


def gate(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oodbench", "gate", "run", "--baseline", "b.json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


def test_a_passing_gate_exits_with_0(place: Path) -> None:
    done = gate(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Unchanged: 6 of 6 numbers. Metrics in percent.\nPassed: no metric got worse beyond its tolerance.\n"
    )


def test_a_worse_run_exits_with_1(place: Path) -> None:
    write_result(place / "run", [row(0.4, 0.26), row(0.6, 0.3, 0.7, label="kNN (k=5)", network="other network")])
    done = gate(place)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "network        method     benchmark     protocol  metric  baseline    now   points  tolerance  verdict",
        "other network  kNN (k=5)  road-anomaly  pooled    AP         50.00  60.00  +10.000          1  better",
        "other network  kNN (k=5)  road-anomaly  pooled    FPR95      25.00  30.00   +5.000          2  worse",
        "other network  kNN (k=5)  road-anomaly  pooled    AUROC      75.00  70.00   -5.000          -  not gated",
        "tiny           MSP        road-anomaly  pooled    AP         50.00  40.00  -10.000          1  worse",
        "tiny           MSP        road-anomaly  pooled    FPR95      25.00  26.00   +1.000          2  within",
        "Unchanged: 1 of 6 numbers. Metrics in percent.",
        "Worse: 2 of 6 numbers, by more than their tolerance.",
    ]
    assert done.stderr == "If the change is intended, accept the run: oodbench gate run --baseline b.json --accept\n"
    assert gate(place, "--tolerance", "AP=10, FPR95=5").returncode == 0
    assert gate(place, "--tolerance", "AP=10").returncode == 1

    as_json = gate(place, "--json")
    assert as_json.returncode == 1
    content = json.loads(as_json.stdout)
    assert (content["verdict"], content["accepted"], content["unmoved"]) == ("worse", False, 1)
    assert content["tolerances"] == {"AP": 1.0, "FPR95": 2.0}
    assert content["moves"][0] == {
        "network": "other network", "method": "msp", "label": "kNN (k=5)", "benchmark": "road-anomaly",
        "protocol": "pooled", "metric": "AP", "baseline": 0.5, "now": 0.6, "points": 10.0, "tolerance": 1.0,
        "outcome": "better",
    }  # fmt: skip
    assert [move["outcome"] for move in content["moves"]] == ["better", "worse", "not gated", "worse", "within"]


def test_other_seeds_need_accept(place: Path) -> None:
    names = [write_result(place / f"seed{n}", [row(0.5 + n / 100, seed=n)]).name for n in range(1, 4)]
    write_result(place / "run", [row()])
    assert gate(place, *names).returncode == 2
    done = gate(place, *names, "--accept")
    assert done.returncode == 0
    assert done.stdout.endswith("1 of the numbers vary more between seeds and have a wider tolerance.\n")


def test_incomparable_runs_exit_with_2(place: Path) -> None:
    write_result(place / "run", [row(0.1, scoring={"upsample": "score", "resize": "bilinear"})])
    for arguments in ([], ["--json"]):
        done = gate(place, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [
            "error: run/result.json can't be compared with b.json:",
            "       - scoring: upsample is logits in the baseline, score now",
            "       - networks: only in the baseline other network; in both tiny",
            "       - methods: only in the baseline kNN (k=5); in both MSP",
            "       Run again with the settings of the baseline, or accept this run as the new one: "
            "oodbench gate run --baseline b.json --accept",
        ]


def test_accept_writes_the_baseline(place: Path) -> None:
    write_result(place / "run", [row(0.4), row(label="kNN (k=5)", network="other network")])
    as_json = json.loads(gate(place, "--accept", "--tolerance", "AP=0.5", "--json").stdout)
    assert (as_json["verdict"], as_json["accepted"]) == ("worse", True)
    assert as_json["tolerances"] == {"AP": 0.5, "FPR95": 2.0}
    write_result(place / "run", [row(0.39), row(label="kNN (k=5)", network="other network")])
    done = gate(place, "--accept")
    assert done.returncode == 0
    assert "-1.000        0.5  worse" in done.stdout
    assert done.stdout.endswith("Accepted: b.json contains 2 results; tolerances in points: AP 0.5, FPR95 2.\n")
    assert gate(place).returncode == 0
    (place / "b.json").write_text("")
    done = gate(place, "--accept")
    assert done.returncode == 0
    assert done.stdout.startswith("not compared with the earlier baseline: b.json: not JSON")


@pytest.mark.parametrize("text", ["AP", "AP=", "AP=x", "", "AP=1,AP=2", "AP=1;FPR95=2", "AR=1", "AP=-1"])
def test_an_invalid_tolerance_is_an_error(place: Path, text: str) -> None:
    done = gate(place, "--tolerance", text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "toleran" in done.stderr


def test_a_missing_baseline_is_an_error_with_the_remedy(place: Path) -> None:
    (place / "b.json").unlink()
    done = gate(place)
    assert done.returncode == 2
    assert done.stderr == (
        "error: b.json: no such baseline file\n"
        "       Create one from a run that is good enough: oodbench gate RUN --baseline b.json --accept\n"
    )


def test_an_internal_error_does_not_exit_with_1(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FAULT], capture_output=True, text=True, cwd=place)
    assert done.returncode == 3
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_renamed_network_names_the_remedy(tmp_path: Path) -> None:
    oodbench.accept(write_result(tmp_path / "old", [row(network="first")]), tmp_path / "b.json")
    with pytest.raises(NotComparableError, match="give it the same name in its model card"):
        oodbench.gate(write_result(tmp_path / "new", [row(network="second")]), tmp_path / "b.json")
    with pytest.raises(NotComparableError) as error:
        oodbench.gate(write_result(tmp_path / "other", [row(label="kNN", network="first")]), tmp_path / "b.json")
    assert "model card" not in str(error.value)
