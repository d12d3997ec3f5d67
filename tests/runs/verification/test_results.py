"""Results that were changed, removed or added with valid digests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oodbench.contracts import Result, Scoring
from oodbench.metrics import PROTOCOLS
from tests.helpers.forged_runs import edit_result_file, edit_results
from tests.helpers.stored import forge
from tests.runs.verification.conftest import Find

MSP = "MSP on tiny, road-anomaly"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"metrics": {"AP": 0.99}}, "AP is 0."),
        ({"intervals": {"bounds": {"AP": (0.98, 0.99)}}}, "intervals bounds AP"),
        ({"counts": {"anomaly_pixels": 1}}, "counts anomaly_pixels is"),
        ({"components": {"smallest_object": 1}}, "components smallest_object is 100 if recomputed; 1 is stored"),
        ({"warnings": ["road-anomaly: 3 of 60 frames"]}, "warnings is"),
        ({"fit": {"frames": 3000}}, "fit frames is"),
    ],
)  # fmt: skip
def test_a_changed_number_is_wrong(run: Path, find: Find, changes: dict[str, Any], text: str) -> None:
    def edit(result: Result) -> Result:
        content = result.model_dump(mode="json")
        for name, change in changes.items():
            content[name] = change if isinstance(change, list) else content[name] | change
        return Result.model_validate(content)

    edit_results(run, edit)
    assert text in find("wrong")["metrics of kNN (k=2) on tiny, road-anomaly, smiyc"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 5}, "seed is 5; expected 0 as in plan.json"),
        ({"scoring": Scoring("score")}, "scoring is Scoring(upsample='score', resize='bilinear')"),
        ({"method": "energy"}, "method is 'energy'; expected"),
        ({"params": {"k": 7}}, "params is {'k': 7}"),
        ({"layout": "mine"}, "layout is 'mine'"),
        ({"warnings": []}, "it lacks the warning 'road-anomaly: 3 of 60 frames'"),
        ({"digests": {}}, "its digests are not those of plan.json"),
        ({"metrics": {}}, "it has no AP and no FPR95 and no AUROC"),
        ({"brackets": {"AP": (0.0, 0.00001)}}, "which is not the midpoint of its bracket [0.0, 1e-05]"),
        (
            {"metrics": dict.fromkeys(("AP", "FPR95", "AUROC"), 0.5), "brackets": {"AP": (0.25, 0.75)}},
            "it lacks the warning 'MSP: on road-anomaly, histograms determine AP to 0.5 only",
        ),
        ({"counts": {}}, "expected_frames is None; expected 60"),
    ],
)  # fmt: skip
def test_a_changed_fact_is_wrong_even_without_maps(run: Path, find: Find, change: dict[str, Any], text: str) -> None:
    for path in (run / "scores").glob("*/*.npy"):
        path.unlink()
    edit_results(run, lambda result: result.model_copy(update=change))
    assert text in find("wrong")["results"]


def test_rules_of_a_known_protocol_that_were_changed_are_wrong(run: Path, find: Find) -> None:
    mine = PROTOCOLS["smiyc"].__class__(**PROTOCOLS["smiyc"].record() | {"source": "x", "tpr": 0.5})
    edit_results(run, lambda result: result.model_copy(update={"protocol": mine, "metrics": {"AP": 0.99}}))
    assert find("wrong")[f"metrics of {MSP}, smiyc"] == (
        "the rules of its protocol are not those of 'smiyc' in this version of oodbench"
    )
    future = mine.__class__(**mine.record() | {"name": "future"})
    edit_results(run, lambda result: result.model_copy(update={"protocol": future}), files=False)
    assert "its protocol is future; it is listed under smiyc" in find("wrong")["results"]


def test_quality_that_was_changed_is_wrong(run: Path, find: Find) -> None:
    (path,) = (run / "quality").iterdir()
    content = json.loads(path.read_text())
    edit_result_file(run, lambda file: file["quality"]["tiny"].update(miou=0.9))
    assert "another segmentation quality" in find("wrong")["results"]
    forge(run, path, json.dumps(content | {"miou": 0.9}))
    wrong = find("wrong", recompute=1)
    assert "results" not in wrong
    assert wrong["quality of tiny"].startswith("miou is 0.0")
    assert wrong["quality of tiny"].endswith("if recomputed; 0.9 is stored")
    forge(run, path, json.dumps({"miou": 0.9}))
    edit_result_file(run, lambda file: file["quality"].update(tiny={"miou": 0.9}))
    assert "more problems" in find("wrong", recompute=1)["quality of tiny"]


def remove_first(content: dict[str, Any]) -> None:
    del content["results"]["smiyc"][0]


def add_unknown(name: str) -> Callable[[dict[str, Any]], None]:
    def add(content: dict[str, Any]) -> None:
        first = content["results"]["smiyc"][0]
        content["results"]["smiyc"].append(first | {name: "unknown", "digests": {}})

    return add


def add_twice(content: dict[str, Any]) -> None:
    content["results"]["smiyc"] *= 2


def remove_protocol(content: dict[str, Any]) -> None:
    content["results"]["smiyc"][0]["protocol"] = {}


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (remove_first, "MSP on tiny, road-anomaly: no result under smiyc"),
        (lambda content: content.update(results={}), "no result under smiyc (3 more problems)"),
        (add_unknown("network"), "MSP on unknown, road-anomaly: plan.json has no such scorer or benchmark"),
        (add_unknown("label"), "unknown on tiny, road-anomaly: plan.json has no such scorer or benchmark"),
        (add_unknown("benchmark"), "MSP on tiny, unknown: plan.json has no such scorer or benchmark"),
        (add_twice, "MSP on tiny, road-anomaly: more than one result under smiyc"),
        (remove_protocol, "not the results of this version of oodbench"),
        (lambda content: content["quality"].clear(), "another segmentation quality"),
        (lambda content: content["quality"].update(tiny={}), "another segmentation quality"),
        (lambda content: content.update(skipped=[{"a": "b"}]), "different skipped pairs"),
        (lambda content: content.update(quality=5), "not the results of this version of oodbench"),
    ],
)  # fmt: skip
def test_missing_and_extra_results_are_wrong(
    run: Path, find: Find, edit: Callable[[dict[str, Any]], object], text: str
) -> None:
    edit_result_file(run, edit)
    assert text in find("wrong")["results"]


def test_a_failure_that_the_run_states_is_not_checked(run: Path, find: Find) -> None:
    failure = {"benchmark": "road-anomaly", "stage": "score", "problem": "no memory", "remedy": None}
    edit_result_file(run, lambda content: content.update(failed=[failure], results={}))
    assert find("not checked")["results of road-anomaly"] == "the run says: road-anomaly failed (score): no memory"


@pytest.mark.parametrize(("shift", "is_inside"), [(0.0, True), (0.001, False)])
def test_the_exact_value_must_be_in_the_bracket(run: Path, find: Find, shift: float, *, is_inside: bool) -> None:
    def edit(result: Result) -> Result:
        low, high = ((result.metrics["AP"] or 0) + shift + end for end in (-4e-5, 4e-5))
        changes = {"metrics": result.metrics | {"AP": (low + high) / 2}, "brackets": {"AP": (low, high)}}
        return result.model_copy(update=changes)

    edit_results(run, edit)
    checked = find("right" if is_inside else "wrong")[f"metrics of {MSP}, smiyc"]
    assert ("the exact metrics are in its brackets" if is_inside else "which is not in its bracket [") in checked
