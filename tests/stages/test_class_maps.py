"""Class maps of other kinds than logits: fits, closed-set quality, and a run of a mask classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

import oodbench
from oodbench.contracts import Needs
from oodbench.data.images import read_image, read_indices
from oodbench.errors import UsageError
from oodbench.registry import Registry
from oodbench.stages.calibrate import ClosedSetQuality
from oodbench.stages.fit import update_fit
from oodbench.types import CITYSCAPES_19, ClassMaps, MapKind, SegmenterOutput, SemanticLabels
from tests.helpers.files import CARD
from tests.helpers.mmseg_networks import write_network

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:mmseg.*"),
    # MMEngine uses pkg_resources to list installed packages.
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),
]


def make_output(kind: MapKind) -> tuple[SegmenterOutput, SemanticLabels]:
    """Return the same frame as class maps of each kind, at the resolution of its labels."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(1, 19, 24, 48)).astype(np.float32))
    made = {"logits": logits, "posteriors": logits.softmax(dim=1), "sums": logits.exp()}
    labels = SemanticLabels(rng.integers(0, 19, (24, 48)).astype(np.uint8), CITYSCAPES_19)
    return SegmenterOutput(ClassMaps(made[kind], kind)), labels


def test_quality_equals_that_of_the_logits() -> None:
    found = []
    kinds: tuple[MapKind, ...] = ("logits", "posteriors", "sums")
    for kind in kinds:
        output, labels = make_output(kind)
        quality = ClosedSetQuality(CITYSCAPES_19)
        quality.update(output, [labels])
        found.append(quality.result())
    assert found[0]["mean_confidence"] > 0.2
    for other in found[1:]:
        assert other["iou"] == found[0]["iou"]
        assert other["mean_confidence"] == pytest.approx(found[0]["mean_confidence"], rel=1e-5)
        assert other["ece"] == pytest.approx(found[0]["ece"], abs=1e-5)


def test_a_fit_on_unnormalised_scores_equals_one_on_their_logarithms() -> None:
    fits = []
    kinds: tuple[MapKind, ...] = ("logits", "sums")
    for kind in kinds:
        output, labels = make_output(kind)
        method = Registry().method("sml")
        method.begin_fit(CITYSCAPES_19, 0)
        update_fit(method, output, [labels], ["frame"])
        fits.append(method.fitted())
    assert fits[1].facts == fits[0].facts
    for name, values in fits[0].tensors.items():
        assert torch.allclose(fits[1].tensors[name], values, rtol=1e-5)


def test_all_methods_on_class_maps_run_on_a_mask_classifier(
    road_anomaly: Path, cityscapes: Path, tmp_path: Path
) -> None:
    config = write_network(tmp_path, "mask2former")
    methods = ["msp", "entropy", "max-logit", "energy", "sml"]
    made = oodbench.run(
        models=[str(config)],
        methods=methods,
        benchmarks=["road-anomaly"],
        data=[road_anomaly.parent, cityscapes.parent],
        out=tmp_path / "run",
        stop_after="evaluate",
    )
    rows = {row.method: row for row in made.results}
    assert set(rows) == set(methods)
    assert made.quality["mask2former"]["miou"] is not None
    # Computed by hand from the network's unnormalised class scores.
    network = Registry().adapter(str(config)).open(str(config), None, "cpu")
    anomalous, largest, total = [], [], []
    for frame in sorted(road_anomaly.glob("frames/*.jpg")):
        maps = network.forward([network.prepare(read_image(frame))], Needs(class_maps=True)).class_maps
        assert maps is not None
        label = read_indices(frame.with_suffix(".labels") / "labels_semantic.png")
        sums = torch.nn.functional.interpolate(maps.values, label.shape, mode="bilinear")[0]
        anomalous.append(label.ravel() == 2)
        largest.append(-sums.amax(dim=0).ravel().numpy())
        total.append(-sums.sum(dim=0).ravel().numpy())
    for method, score in (("max-logit", largest), ("energy", total)):
        expected = average_precision_score(np.concatenate(anomalous), np.concatenate(score))
        assert rows[method].metrics["AP"] == pytest.approx(expected, abs=1e-4)


def test_methods_that_read_logits_reject_posteriors(network_file: Path, road_anomaly: Path, tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text(CARD.replace("[outputs]", '[outputs]\nclass_maps_are = "posteriors"'))
    with pytest.raises(
        UsageError, match=r"Energy fits none of the networks .*it reads logits, and this network provides post"
    ):
        oodbench.run(
            models=[network_file],
            model_cards=[card],
            methods=["energy", "msp"],
            benchmarks=["road-anomaly"],
            data=[road_anomaly.parent],
            out=tmp_path / "run",
        )
