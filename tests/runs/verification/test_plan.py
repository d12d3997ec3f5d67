"""Plans that list chosen frames, or state other facts than the cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.contracts import ComponentSizes, Requirements
from oodbench.runs.load import load
from tests.helpers.forged_runs import edit_plan
from tests.runs.verification.conftest import Find


def test_chosen_frames_without_a_limit_are_wrong(run: Path, find: Find) -> None:
    (part,) = load(run).record.benchmarks
    chosen = part.model_copy(update={"frames": part.frames[:2], "expected": 2, "warnings": ()})
    edit_plan(run, benchmarks=(chosen,))
    (run / "result.json").unlink()
    load(run).evaluate()
    wrong = find("wrong")
    assert wrong["frames of road-anomaly"] == (
        "plan.json expects 2 frames in a complete copy; the benchmark's card states 60"
    )
    warned = chosen.model_copy(update={"expected": 60})
    edit_plan(run, benchmarks=(warned,))
    assert find("wrong")["frames of road-anomaly"] == "plan.json lists 2 of 60 frames without a warning"
    warned = warned.model_copy(update={"warnings": part.warnings})
    edit_plan(run, benchmarks=(warned,))
    assert (
        "plan.json lists 2 of the 3 frames that were found, and the limit of the run is its default"
        in (find("wrong")["frames of road-anomaly"])
    )
    edit_plan(run, limit=2)
    assert "plan.json has warnings" in find("wrong")["frames of road-anomaly"]
    limited = ("road-anomaly: 3 of 60 frames", "road-anomaly: limited to 2 of 3 frames")
    edit_plan(run, benchmarks=(warned.model_copy(update={"warnings": limited}),))
    load(run).evaluate()
    assert find("right")["frames of road-anomaly"].endswith("; road-anomaly: limited to 2 of 3 frames")
    edit_plan(run, benchmarks=(warned.model_copy(update={"warnings": limited, "frames": part.frames[1:]}),))
    assert "is left out or at another place" in find("wrong")["frames of road-anomaly"]


def test_chosen_in_distribution_frames_are_wrong(run: Path, find: Find) -> None:
    record = load(run).record
    assert record.fit is not None
    edit_plan(run, fit=record.fit.model_copy(update={"frames": record.fit.frames[1:], "warnings": ("a",)}))
    wrong = find("wrong")
    assert "a run takes 2 evenly spaced frames" in wrong["frames of cityscapes train"]
    assert "in plan.json they would be knn-" in wrong["method kNN (k=2)"]
    edit_plan(run, fit=record.calibrate, calibrate=record.fit)
    assert "a run takes cityscapes train to fit; plan.json has val" in find("wrong")["frames of cityscapes val"]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("label", "The best", "plan.json has label 'The best'; msp has 'MSP'"),
        ("version", 9, "plan.json has version 9"),
        ("params", {"k": 1}, "plan.json has params {'k': 1}"),
        ("requirements", Requirements(retraining=True), "plan.json has requirements"),
    ],
)
def test_a_scorer_that_is_not_its_method_is_wrong(run: Path, find: Find, field: str, value: object, text: str) -> None:
    first, *others = load(run).record.scorers
    edit_plan(run, scorers=(first.model_copy(update={field: value}), *others))
    wrong = find("wrong")
    assert text in wrong[f"method {value if field == 'label' else 'MSP'}"]


def test_a_card_and_limits_that_were_changed_are_wrong(run: Path, find: Find) -> None:
    record = load(run).record
    (network,), (part,) = record.networks, record.benchmarks
    edit_plan(run, networks=(network.model_copy(update={"expected_miou": 0.01}),))
    assert "plan.json has expected mIoU 0.01; the network has None" in find("wrong")["network tiny"]
    sizes = part.model_copy(update={"components": ComponentSizes(1, 1)})
    edit_plan(run, networks=record.networks, benchmarks=(sizes,))
    assert "plan.json has components ComponentSizes(prediction=1, object=1)" in find("wrong")["frames of road-anomaly"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("scorers", "it lists no scorer"),
        ("networks", "it lists no network"),
        ("protocols", "road-anomaly has no protocol"),
        ("benchmarks", "it lists no benchmark"),
    ],
)
def test_a_plan_with_missing_parts_is_wrong(run: Path, find: Find, field: str, text: str) -> None:
    edit_plan(run, **{field: {} if field == "protocols" else ()})
    wrong = find("wrong", recompute=1)
    assert list(wrong) == ["plan"]
    assert text in wrong["plan"]


def test_names_in_a_plan_must_be_unique_and_known(run: Path, find: Find) -> None:
    record = load(run).record
    first, second = record.scorers
    for changes, text in (
        ({"scorers": (first, first)}, f"the scorer {first.key} is listed twice (1 more problem)"),
        ({"scorers": (first.model_copy(update={"network": "x"}), second)}, "MSP is on the network x, which is not"),
        ({"protocols": record.protocols | {"x": ("pooled",)}}, "it has protocols of x, which is not listed"),
        ({"protocols": {"road-anomaly": ("mine",)}}, "road-anomaly has the unknown protocol mine"),
    ):  # fmt: skip
        edit_plan(run, **({"scorers": record.scorers, "protocols": record.protocols} | changes))
        assert text in find("wrong")["plan"]
