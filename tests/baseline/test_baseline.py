"""The gate from Python: worse results, incomparable runs, the baseline file and damaged files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oodbench
from oodbench.baseline import accept
from oodbench.contracts import default_tolerances, metrics_of
from oodbench.errors import BaselineError, NotComparableError, OodbenchError, RunFolderError, UsageError
from tests.helpers.results import Document, row, write_result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a baseline with one result (AP 0.5, FPR95 0.25, AUROC 0.75) and the default tolerances."""
    path = tmp_path / "baseline.json"
    accept(write_result(tmp_path / "accepted", [row()]), path)
    return path


def run_gate(file: Path, *rows: Document, **tolerances: float) -> oodbench.Verdict:
    return oodbench.gate(write_result(file.parent / "run", rows), file, tolerances)


def find_reasons(file: Path, *rows: Document) -> tuple[str, ...]:
    with pytest.raises(NotComparableError, match="--accept") as raised:
        run_gate(file, *rows)
    assert all(reason in str(raised.value) for reason in raised.value.reasons)
    return raised.value.reasons


# Worse results


@pytest.mark.parametrize(
    ("now", "metric", "points", "outcome"),
    [
        ({"ap": 0.4}, "AP", -10.0, "worse"),
        ({"ap": 0.6}, "AP", 10.0, "better"),
        ({"fpr95": 0.3}, "FPR95", 5.0, "worse"),
        ({"fpr95": 0.2}, "FPR95", -5.0, "better"),
        ({"auroc": 0.1}, "AUROC", -65.0, "not gated"),
        # A change of exactly the tolerance passes, although 0.49 - 0.5 in binary exceeds it. One more digit fails.
        ({"ap": 0.49}, "AP", -1.0, "within"),
        ({"ap": 0.51}, "AP", 1.0, "within"),
        ({"ap": 0.48999999999999994}, "AP", pytest.approx(-1.0), "worse"),
        ({"fpr95": 0.27}, "FPR95", 2.0, "within"),
        ({"fpr95": 0.27000000000000007}, "FPR95", pytest.approx(2.0), "worse"),
    ],
)
def test_each_metric_has_a_direction_and_an_exact_tolerance(
    file: Path, now: dict[str, float], metric: str, points: float, outcome: str
) -> None:
    verdict = run_gate(file, row(**now))
    (move,) = verdict.moves
    assert (move.metric, move.points, move.outcome) == (metric, points, outcome)
    assert (move.network, move.label, move.benchmark, move.protocol) == ("tiny", "MSP", "road-anomaly", "pooled")
    assert verdict.passed == (outcome != "worse")
    assert verdict.unmoved == 2


def test_component_metrics_gate_if_they_have_a_tolerance(tmp_path: Path) -> None:
    def objects(f1: float) -> Document:
        return row(metrics={"AP": 0.5, "F1*": f1, "F1*@ID95": 0.3}, undefined={})

    file = tmp_path / "baseline.json"
    accept(write_result(tmp_path / "accepted", [objects(0.4)]), file, {"F1*": 1.0})
    assert run_gate(file, objects(0.395)).passed
    (move,) = run_gate(file, objects(0.2)).worse
    assert (move.metric, move.points) == ("F1*", -20.0)


def test_auroc_gates_if_it_has_a_tolerance(file: Path) -> None:
    assert run_gate(file, row(auroc=0.7)).passed
    assert not run_gate(file, row(auroc=0.7), AUROC=4.9).passed
    assert run_gate(file, row(auroc=0.7), AUROC=5).passed


def test_all_worse_results_are_listed(file: Path) -> None:
    verdict = run_gate(file, row(ap=0.1, fpr95=0.9, auroc=0.2), AUROC=0)
    assert [move.metric for move in verdict.worse] == ["AP", "FPR95", "AUROC"]


def test_differences_in_the_last_digits_count_only_beyond_the_tolerance(file: Path) -> None:
    now = row(ap=0.49999, fpr95=0.25004, auroc=0.74996)
    assert run_gate(file, now).moves == ()
    assert run_gate(file, now).unmoved == 3
    assert [move.metric for move in run_gate(file, now, AP=0).worse] == ["AP"]


def test_metrics_undefined_in_one_run_only_are_not_comparable(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    accept(write_result(tmp_path / "run", [row(ap=None)]), file)
    assert run_gate(file, row(ap=None)).unmoved == 3
    (said,) = find_reasons(file, row(ap=0.5, fpr95=0.9))
    assert "AP is undefined (no anomaly in any frame) in the baseline, 0.5 now" in said
    (said,) = find_reasons(file, row(ap=None, fpr95=None))
    assert "FPR95 is 0.25 in the baseline, undefined (no anomaly in any frame) now" in said


metrics = st.none() | st.floats(0, 1)
NAMES = {"network": ["a", "b"], "label": ["MSP", "kNN (k=5)"], "benchmark": ["road-anomaly", "ü"]}
who = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in NAMES.items()})


@given(st.lists(st.tuples(who, metrics, metrics, metrics), min_size=1, unique_by=lambda t: str(sorted(t[0].items()))))
def test_an_accepted_run_passes_with_zero_tolerance(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    folder = tmp_path_factory.mktemp("accepted")
    run = write_result(folder / "run", [row(*values, **names) for names, *values in drawn])
    accept(run, folder / "baseline.json", dict.fromkeys((spec.name for spec in metrics_of("anomaly")), 0.0))
    verdict = oodbench.gate(run, folder / "baseline.json")
    assert verdict.passed
    assert (verdict.moves, verdict.unmoved) == ((), 3 * len(drawn))


# Variation between seeds

APS = (0.50, 0.48, 0.53, 0.49, 0.50)


def write_seed_runs(folder: Path, *aps: float) -> list[Path]:
    """Write runs of one fitted method, whose AP depends on the seed, and of one whose AP does not."""
    made = [[row(ap, label="kNN", seed=seed), row(0.5, label="MSP", seed=seed)] for seed, ap in enumerate(aps)]
    return [write_result(folder / f"seed{seed}", rows) for seed, rows in enumerate(made)]


def test_the_variation_between_seeds_sets_the_tolerance(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    first, *others = write_seed_runs(tmp_path, *APS)
    done = accept(first, file, others=others)
    # s = 1.8708 points; Student's t of 4 degrees of freedom exceeds 3.7469 with a probability of 0.01; times sqrt 2.
    assert [kept["chance"] for kept in json.loads(file.read_text())["measured"]["rows"] if "chance" in kept] == [
        {"AP": pytest.approx(9.913, abs=0.002)}
    ]
    assert done.by_chance == 1
    assert all(oodbench.gate(run, file).passed for run in (first, *others))
    still = row(label="MSP")
    assert run_gate(file, row(0.402, label="kNN"), still).passed
    (worse,) = run_gate(file, row(0.40, label="kNN"), still).worse
    assert (worse.label, worse.tolerance) == ("kNN", pytest.approx(9.913, abs=0.002))
    # If the seed changes nothing, a loss beyond the tolerance fails.
    assert not run_gate(file, row(label="kNN"), row(0.48, label="MSP")).passed
    # A wider tolerance is kept. A metric that does not gate stays ungated.
    assert run_gate(file, row(0.3, label="kNN"), still, AP=20).passed
    accept(first, file)
    assert run_gate(file, row(0.402, label="kNN"), still).passed


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, True),
        ({"seed": 9, "digests": {"network": "9" * 64, "data": "2" * 64}}, True),
        ({"scoring": {"upsample": "score", "resize": "bilinear"}}, False),
        ({"protocol": {"name": "pooled", "source": "a text", "tpr": 0.9}}, False),
        ({"digests": {"data": "5" * 64}}, False),
        ({"params": {"k": 3}}, False),
        ({"fit": {"dataset": "cityscapes", "split": "train", "frames": 5}}, False),
    ],
)
def test_the_measured_variation_is_kept_for_unchanged_results(tmp_path: Path, change: Document, kept: bool) -> None:
    file = tmp_path / "baseline.json"
    first, *others = write_seed_runs(tmp_path, *APS)
    accept(first, file, others=others)
    # The runs can't be compared in any case, because they have different methods.
    rows = [row(label=label, **change) for label in ("kNN", "Entropy")]
    done = accept(write_result(tmp_path / "run", rows), file)
    assert done.verdict is None
    assert done.by_chance == kept
    stored = {held["label"]: held.get("chance") for held in json.loads(file.read_text())["measured"]["rows"]}
    assert stored == {"kNN": {"AP": pytest.approx(9.913, abs=0.002)} if kept else None, "Entropy": None}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 0}, "both have seed 0"),
        ({"digests": {"network": "9" * 64, "data": "2" * 64}}, "tiny has other weights than in"),
        ({"scoring": {"upsample": "score"}}, "in more than its seed"),
    ],
)
def test_runs_that_can_not_measure_the_variation_are_errors(tmp_path: Path, change: Document, said: str) -> None:
    first, second, third = write_seed_runs(tmp_path, 0.5, 0.6, 0.7)
    with pytest.raises(UsageError, match="both have seed 0"):
        accept(first, tmp_path / "baseline.json", others=[first, second])
    with pytest.raises(UsageError, match="expected 3 or more"):
        accept(first, tmp_path / "baseline.json", others=[second])
    write_result(third, [row(0.7, label=label, **{"seed": 2} | change) for label in ("kNN", "MSP")])
    with pytest.raises(OodbenchError, match=said):
        accept(first, tmp_path / "baseline.json", others=[second, third])
    assert not (tmp_path / "baseline.json").exists()


# Incomparable runs


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scoring": {"upsample": "score", "resize": "bilinear"}}, "scoring: upsample is logits in the baseline"),
        ({"protocol": {"name": "pebal", "source": ""}}, "only in the baseline pooled; only in this run pebal"),
        (
            {"protocol": {"name": "pooled", "source": "a text", "tpr": 0.9}},
            "protocol pooled: tpr is 0.95 in the baseline, 0.9 now",
        ),
        ({"digests": {"data": "5" * 64}}, f"frames of road-anomaly: data is {'2' * 64} in the baseline, 5"),
        ({"counts": {"frames": 2}}, "frames of road-anomaly: frames is 3 in the baseline, 2 now"),
        ({"network": "other"}, "networks: only in the baseline tiny; only in this run other"),
        ({"label": "Entropy"}, "methods: only in the baseline MSP; only in this run Entropy"),
        ({"params": {"k": 3}}, 'MSP: params is {} in the baseline, {"k": 3} now'),
        ({"method": "mine"}, "MSP: method is msp in the baseline, mine now"),
        ({"benchmark": "other"}, "benchmarks: only in the baseline road-anomaly; only in this run other"),
        ({"fit": {"dataset": "cityscapes", "split": "train", "frames": 5}}, "fit of MSP: dataset is null in the"),
        ({"metrics": {"AP": 0.5}}, "only in the baseline AUROC, FPR95; in both AP"),
    ],
)  # fmt: skip
def test_each_difference_that_makes_two_runs_incomparable_is_named(file: Path, change: Document, said: str) -> None:
    (reason,) = find_reasons(file, row(**change))
    assert said in reason


def test_all_reasons_are_listed(file: Path) -> None:
    said = find_reasons(file, row(network="other", label="Entropy", scoring={"upsample": "score"}))
    assert [reason.split(":")[0] for reason in said] == ["scoring", "networks", "methods"]


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    rows = [row(network=network, label=label) for network in "ab" for label in ("MSP", "kNN")]
    file = tmp_path / "baseline.json"
    accept(write_result(tmp_path / "run", rows), file)
    assert find_reasons(file, *rows[:3]) == ("result only in the baseline: kNN on b, road-anomaly (pooled)",)
    accept(write_result(tmp_path / "run", rows[1:]), file)
    verdict = run_gate(file, *rows)
    assert verdict.passed
    assert verdict.new == ("MSP on a, road-anomaly (pooled)",)


def test_machine_weights_and_copy_do_not_affect_comparability(file: Path) -> None:
    elsewhere = row(
        digests={"network": "6" * 64, "data": "2" * 64, "scores": "7" * 64},
        environment={"processor": "another"}, seed=3, cost={}, layout="course-material", warnings=["look"],
        protocol={"name": "pooled", "source": "another text", "tpr": 0.95, "void": "dropped"},
    )  # fmt: skip
    assert run_gate(file, elsewhere).unmoved == 3
    before = file.read_bytes()
    accept(write_result(file.parent / "run", [elsewhere | {"protocol": row()["protocol"]}]), file)
    assert file.read_bytes() == before


# The baseline file


def test_the_baseline_file_is_sorted_and_has_all_digits(tmp_path: Path) -> None:
    rows = [row(1 / 3, label=label, network=network) for label in ("b", "a") for network in ("y", "x")]
    file = tmp_path / "new" / "folder" / "baseline.json"
    done = accept(write_result(tmp_path / "run", rows), file)
    assert (done.verdict, done.rows, done.tolerances) == (None, 4, default_tolerances())
    assert done.not_compared == ()
    content = json.loads(file.read_text())
    assert content["tolerances"] == default_tolerances()
    measured = content["measured"]
    assert [(r["network"], r["label"]) for r in measured["rows"]] == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    assert measured["rows"][0]["metrics"]["AP"] == 1 / 3
    assert measured["benchmarks"] == {"road-anomaly": {"frames": 3, "data": "2" * 64}}
    accept(write_result(tmp_path / "run", rows[::-1]), file)
    assert json.loads(file.read_text()) == content


def test_accepting_again_reports_changes_and_keeps_the_tolerances(file: Path) -> None:
    run = write_result(file.parent / "run", [row(ap=0.4)])
    done = accept(run, file, {"AP": 0.5, "AUROC": 3})
    assert done.verdict is not None
    assert [move.outcome for move in done.verdict.worse] == ["worse"]
    assert oodbench.gate(run, file).tolerances == {"AP": 0.5, "FPR95": 2.0, "AUROC": 3.0}
    assert accept(run, file, {"FPR95": 1}).tolerances == {"AP": 0.5, "FPR95": 1.0, "AUROC": 3.0}
    done = accept(write_result(file.parent / "run", [row(network="other")]), file)
    assert done.verdict is None
    assert "networks" in done.not_compared[0]
    assert done.tolerances == {"AP": 0.5, "FPR95": 1.0, "AUROC": 3.0}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{", "{{", "not JSON"),
        ("{", "<<<<<<< ours", "not JSON"),
        ('"schema_version": 1', '"schema_version": 2', "schema_version is 2; this version of oodbench reads 1"),
        ('"schema_version": 1', '"version": 1', "schema_version is missing"),
        ('"tolerances"', '"tolerance"', "tolerances is missing; tolerance is unknown; did you mean tolerances?"),
        ('"AP": 1.0', '"AP": -1.0', "tolerances.AP is -1.0"),
        ('"AP": 1.0', '"AP": NaN', "tolerances.AP is nan"),
        ('"AP": 1.0', '"PRO": 1.0', "PRO"),
        ('"AP": 0.5', '"AP": "0.5"', "measured.rows.0.metrics.AP is '0.5'"),
        ('"AP": 0.5', '"AP": Infinity', "measured.rows.0.metrics.AP is inf"),
    ],
)
def test_a_damaged_baseline_is_an_error_and_can_be_rewritten(file: Path, old: str, new: str, said: str) -> None:
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(BaselineError) as raised:
        run_gate(file, row())
    assert raised.value.problem.startswith(f"{file}: ")
    assert said in raised.value.problem
    assert f"--baseline {file} --accept" in (raised.value.remedy or "")
    assert said in accept(file.parent / "run", file).not_compared[0]
    assert run_gate(file, row()).passed


def test_files_that_are_not_baselines_are_errors(file: Path) -> None:
    content = json.loads(file.read_text())
    content["measured"]["rows"] *= 2
    file.write_text(json.dumps(content))
    with pytest.raises(BaselineError, match="two results for MSP on tiny"):
        run_gate(file, row())
    file.write_text("[]")
    with pytest.raises(BaselineError, match="contains a list; expected an object"):
        run_gate(file, row())
    with pytest.raises(BaselineError, match="can't be read"):
        oodbench.gate(file.parent / "run", file.parent)
    with pytest.raises(BaselineError, match="no such baseline file"):
        oodbench.gate(file.parent / "run", file / "below" / "a.json")


def test_an_unwritable_baseline_file_is_an_error(file: Path, tmp_path: Path) -> None:
    for place in (tmp_path, file / "below" / "baseline.json"):
        with pytest.raises(BaselineError, match="with --baseline"):
            accept(tmp_path / "accepted", place)
    with pytest.raises(UsageError, match="is in the folder of the run"):
        accept(tmp_path / "accepted", tmp_path / "accepted" / "result.json")


def test_a_killed_writer_leaves_the_old_baseline(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    run = write_result(tmp_path / "run", [row(ap=0.9)])
    program = (
        "import os, signal, sys\n"
        "os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from oodbench.baseline import accept\n"
        "accept(sys.argv[1], sys.argv[2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(run), str(file)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert file.read_bytes() == before
    accept(run, file)
    assert oodbench.gate(run, file).unmoved == 3


# The result file


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no results"),
        ([row(schema_version=1)], "results.pooled.0.schema_version is 1: input should be 2"),
        ([row() | {"new": 1}], "results.pooled.0.new is unknown"),
        ([row(ap=float("nan"))], "rows.0.metrics.AP is nan"),
        ([row(metrics={"PRO": 0.5})], "rows.0.metrics.PRO"),
        ([row(digests={})], "benchmarks.road-anomaly.data is None"),
        ([row(counts={})], "benchmarks.road-anomaly.frames is None"),
        ([row(), row()], "two results for MSP on tiny, road-anomaly (pooled)"),
        ([row(), row(label="kNN", scoring={"upsample": "score"})], "results of one run differ about scoring"),
        ([{} for _ in range(9)], "more"),
    ],
)
def test_a_damaged_result_is_an_error_with_the_reason(file: Path, rows: list[Document], said: str) -> None:
    with pytest.raises(RunFolderError) as raised:
        run_gate(file, *rows)
    assert said in str(raised.value)


def test_a_folder_without_results_is_an_error(file: Path, tmp_path: Path) -> None:
    for folder in ("absent", "."):
        with pytest.raises(RunFolderError, match=r"no result\.json"):
            oodbench.gate(tmp_path / folder, file)
    (tmp_path / "accepted" / "result.json").write_text("{")
    with pytest.raises(RunFolderError, match="not JSON"):
        oodbench.gate(tmp_path / "accepted", file)


@pytest.mark.parametrize("tolerances", [{"Ap": 1.0}, {"AP": -1}, {"AP": float("nan")}, {"AP": 101}])
def test_an_invalid_tolerance_is_an_error(file: Path, tolerances: dict[str, float]) -> None:
    for verb in (oodbench.gate, accept):
        with pytest.raises(OodbenchError, match="toleran"):
            verb(file.parent / "accepted", file, tolerances)
