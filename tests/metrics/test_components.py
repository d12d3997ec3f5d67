"""Component metrics compared with outputs of the official evaluator, and with cases computed by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from oodbench.contracts import ComponentSizes
from oodbench.metrics import PROTOCOLS, ComponentCounts, component_metrics, frame_components, make_evaluation
from oodbench.metrics.components import TAUS
from oodbench.types import AnomalyLabels

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = dict(np.load(GOLDEN / "components.npz"))
NUMBERS = json.loads((GOLDEN / "components.json").read_text())
FRAMES = [(ARRAYS[f"score_{i}"].astype(np.float32), AnomalyLabels(ARRAYS[f"label_{i}"])) for i in range(4)]
SIZES = {track: ComponentSizes(floor["pred"], floor["gt"]) for track, floor in NUMBERS["size_floors"].items()}
SMIYC = PROTOCOLS["smiyc"]


@pytest.mark.parametrize("case", NUMBERS["results"])
def test_metrics_equal_the_official_evaluator(case: str) -> None:
    expected, sizes = NUMBERS["results"][case], SIZES[case.split("_")[0]]
    found = component_metrics(lambda: FRAMES, SMIYC, sizes, {"": expected["threshold"]})[""]
    assert (found.tp.tolist(), found.fn.tolist(), found.fp.tolist()) == tuple(expected[n] for n in ("tp", "fn", "fp"))
    assert found.f1 == pytest.approx(expected["f1"], abs=1e-15)
    assert found.values == pytest.approx(
        {"sIoU": expected["sIoU_gt_mean"], "PPV": expected["prec_pred_mean"], "F1*": expected["f1_mean"]}, abs=1e-15
    )


@pytest.mark.parametrize("case", NUMBERS["results"])
@pytest.mark.parametrize("index", range(4))
def test_each_component_equals_the_official_evaluator(case: str, index: int) -> None:
    score, labels = FRAMES[index]
    threshold = np.float64(NUMBERS["results"][case]["threshold"])
    found = frame_components(score > threshold, labels, SIZES[case.split("_")[0]])
    for name, ours in {
        "size_gt": found.object_sizes,
        "sIoU_gt": found.siou,
        "size_pred": found.prediction_sizes,
        "prec_pred": found.ppv,
    }.items():
        assert ours.tolist() == ARRAYS[f"{case}_{name}_{index}"].tolist(), name


def test_the_threshold_is_that_of_the_official_evaluator() -> None:
    under = make_evaluation(SMIYC)
    for score, labels in FRAMES:
        under.update(score, labels)
    found, expected = under.metrics(), NUMBERS["pixel_curve"]
    assert found.best_f1_threshold == expected["best_f1_threshold"]
    assert found.best_f1 == pytest.approx(expected["best_f1"], abs=1e-15)
    assert found.best_f1_threshold == NUMBERS["results"]["AnomalyTrack_pipeline_best_f1"]["threshold"]


def test_the_steps_equal_the_floats_of_the_official_evaluator() -> None:
    assert TAUS.tolist() == NUMBERS["taus"]


def test_metrics_equal_a_case_computed_by_hand() -> None:
    """Three parts: a half-covered object, two objects under one prediction, and a prediction in void."""
    label = np.zeros((9, 12), np.uint8)
    predicted = np.zeros((9, 12), bool)
    label[0, :8], predicted[0, 4:12] = 1, True  # intersection 4, union 8 + 8 - 4
    label[3, :4], label[3, 8:12], predicted[3, :12] = 1, 1, True  # one prediction over both objects
    label[6:, 0:3], predicted[8, 0:3] = 255, True
    found = frame_components(predicted, AnomalyLabels(label), ComponentSizes(1, 1))
    assert found.object_sizes.tolist() == [8, 4, 4]
    assert found.siou.tolist() == [4 / 12, 4 / 8, 4 / 8]
    assert found.prediction_sizes.tolist() == [8, 12]
    assert found.ppv.tolist() == [4 / 8, 8 / 12]


def test_components_are_8_connected_and_small_ones_are_removed() -> None:
    label = np.eye(6, dtype=np.uint8)
    found = frame_components(label > 0, AnomalyLabels(label), ComponentSizes(6, 6))
    assert (found.object_sizes.tolist(), found.siou.tolist(), found.ppv.tolist()) == ([6], [1.0], [1.0])
    none = frame_components(label > 0, AnomalyLabels(label), ComponentSizes(7, 7))
    assert none.object_sizes.size == none.prediction_sizes.size == 0


def test_small_objects_are_void_for_predictions() -> None:
    label = np.zeros((1, 10), np.uint8)
    label[0, :2] = 1
    found = frame_components(np.ones((1, 10), bool), AnomalyLabels(label), ComponentSizes(10, 3))
    assert (found.prediction_sizes.tolist(), found.ppv.tolist()) == ([8], [0.0])


def test_undefined_metrics_are_nan_with_a_reason() -> None:
    counts = ComponentCounts(ComponentSizes(2, 2))
    counts.update(np.zeros((3, 3), bool), AnomalyLabels(np.zeros((3, 3), np.uint8)))
    found = counts.metrics()
    assert all(map(math.isnan, found.values.values()))
    assert set(found.undefined) == {"sIoU", "PPV", "F1*"}
    counts.update(np.ones((3, 3), bool), AnomalyLabels(np.zeros((3, 3), np.uint8)))
    assert counts.metrics().values["F1*"] == 0.0
    assert set(counts.metrics().undefined) == {"sIoU"}


masks = arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 0, 1, 255]))


@given(st.lists(st.tuples(masks, arrays(bool, (7, 9))), min_size=1, max_size=4), st.randoms())
def test_metrics_equal_the_definitions_for_any_merge_order(
    frames: list[tuple[np.ndarray, np.ndarray]], random: object
) -> None:
    sizes = ComponentSizes(2, 2)
    siou, ppv, parts = [], [], []
    for label, predicted in frames:
        objects = [k for k in flood(label == 1) if len(k) >= 2]
        small = {p for k in flood(label == 1) if len(k) < 2 for p in k}
        found = [part - small for part in flood(predicted & (label != 255)) if len(part) >= 2]
        for k in objects:
            cover = set().union(*(part for part in found if part & k))
            others = set().union(*(o for o in objects if o is not k))
            siou.append(len(cover & k) / len((cover | k) - (others - k)))
        ppv += [len(part & set().union(*objects)) / len(part) for part in found]
        parts.append(ComponentCounts(sizes))
        parts[-1].update(predicted, AnomalyLabels(label))
    random.shuffle(parts)  # type: ignore[attr-defined]
    whole = ComponentCounts(sizes)
    whole.merge(parts)
    metrics = whole.metrics()
    assert (metrics.objects, metrics.predictions) == (len(siou), len(ppv))
    expected = [sum(values) / len(values) if values else math.nan for values in (siou, ppv)]
    assert [metrics.values["sIoU"], metrics.values["PPV"]] == pytest.approx(expected, nan_ok=True)
    assert metrics.tp.tolist() == [sum(value >= tau for value in siou) for tau in TAUS]
    assert metrics.fp.tolist() == [sum(value < tau for value in ppv) for tau in TAUS]


def flood(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """Return the 8-connected components as sets of pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        todo, part = [left.pop()], set()
        while todo:
            y, x = todo.pop()
            part.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
        found.append(part)
    return found
