"""The public names, frozen; and a script that uses every public function once."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import oodbench as ob
from oodbench.planning.plan import make_plan
from oodbench.planning.request import Request
from oodbench.progress import Silent
from oodbench.registry import Registry
from tests.helpers.files import photograph

PUBLIC = {
    "__version__",
    # classes
    "Prediction", "Run", "RunStatus", "Scorer", "SubmissionResult", "TorchSegmenter", "Verdict", "VerificationCheck",
    # functions
    "accept", "check_submission", "compare", "create_method", "evaluate_scores", "export_scores", "gate",
    "list_benchmarks", "list_datasets", "list_methods", "list_models", "list_protocols", "list_reports",
    "list_submissions", "load", "load_benchmark", "load_dataset", "load_segmenter", "merge", "predict", "run", "status",
    "submit", "verify",
    # packages
    "contracts", "errors", "metrics", "testing", "types",
}  # fmt: skip

STANDARD = ["energy", "entropy", "gmm-posthoc", "gmmseg", "gmmseg-norm", "knn", "max-logit", "msp", "sml"]


def test_the_public_names_are_these() -> None:
    assert set(ob.__all__) == PUBLIC
    assert len(ob.__all__) == len(PUBLIC)
    assert dir(ob) == sorted(ob.__all__)
    for name in PUBLIC:
        assert getattr(ob, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'pipeline'"):
        _ = ob.pipeline


def test_the_standard_set_is_frozen() -> None:
    """A method that is added later is no part of it: it would change gates and run times of others."""
    registry = Registry()
    assert [name for name in registry.names("methods") if registry.method(name).card.standard] == STANDARD


def test_a_method_that_is_not_standard_runs_by_its_name_with_all_or_from_a_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def labels(**options: object) -> list[str]:
        request = Request.of(models=("network.onnx",), data=("downloads",), id_data=("cityscapes",), **options)
        return sorted(
            scorer.method for scorer in make_plan(request, Registry(request.plugins), Silent()).record.scorers
        )

    standard = labels()
    assert set(standard) <= set(STANDARD)
    assert labels(methods=("all",)) == labels(methods=("standard",)) == standard
    card = Registry().load("methods", "energy").card
    monkeypatch.setattr(Registry().load("methods", "energy"), "card", replace(card, standard=False))
    assert labels() == [name for name in standard if name != "energy"]
    assert labels(methods=("all",)) == standard
    assert labels(methods=("standard",)) == labels()
    assert labels(methods=("standard", "energy")) == standard
    assert labels(methods=("energy",)) == ["energy"]
    Path("margin.py").write_text(MARGIN)
    assert labels(plugins=(Path("margin.py"),)) == sorted(["margin", *(name for name in standard if name != "energy")])


MARGIN = """
from oodbench.contracts import MethodCard, PixelMethod

PLUGINS = {"methods": {"margin": ("Margin", "minus the margin")}}


class Margin(PixelMethod):
    card = MethodCard("margin", "Margin", "a paper", "https://example.org")

    def pixel_score(self, band):
        return -band.summary.best
"""


class Net(nn.Module):
    """A small network with features and a linear classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
        self.head = nn.Conv2d(8, 19, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(images))
        return logits


@pytest.fixture
def segmenter() -> ob.TorchSegmenter:
    return ob.TorchSegmenter(Net(), classes="cityscapes-19", classifier="head", name="net", device="cpu")


def test_every_public_function(place: Path, segmenter: ob.TorchSegmenter) -> None:
    image = photograph(0)
    assert ob.list_methods("gmm*") == ["gmm-posthoc", "gmmseg", "gmmseg-norm"]
    assert ob.list_models() == ["streets-gmmseg", "streets-softmax"]
    assert "road-anomaly" in ob.list_benchmarks("road-*")
    assert ob.list_datasets("city*") == ["cityscapes"]
    assert "smiyc" in ob.list_protocols()
    assert "html" in ob.list_reports()
    assert ob.list_submissions("fishy*") == ["fishyscapes"]

    scorer = ob.Scorer("energy", segmenter)
    assert scorer(image).dtype == np.float32
    assert np.array_equal(ob.Scorer(ob.create_method("energy"), segmenter)(image), scorer(image))
    assert ob.Scorer("msp", ob.load_segmenter("network.onnx"))(image).shape == image.shape[:2]

    benchmark = ob.load_benchmark("road-anomaly", data="downloads")
    dataset = ob.load_dataset("cityscapes", data="cityscapes")
    assert (len(benchmark), len(dataset), dataset.split, dataset.splits) == (3, 3, "train", {"train": 3, "val": 2})
    knn = ob.Scorer("knn:k=2", segmenter).fit(dataset)
    knn.save_fit("knn.safetensors")
    assert np.array_equal(ob.Scorer("knn:k=2", segmenter, fit="knn.safetensors")(image), knn(image))

    run = ob.run(
        models=[segmenter], methods=["msp", ob.create_method("knn", k=2)], benchmarks=[benchmark], id_data="cityscapes",
        out="run",
    )  # fmt: skip
    assert [result.label for result in ob.load("run").results] == ["MSP", "kNN (k=2)"]
    assert {check.verdict for check in ob.verify(run)} == {"right", "not checked"}
    with pytest.raises(ob.errors.NotComparableError, match="too few independent frames: 3"):
        ob.compare(run)
    ob.accept("run", "baseline.json")
    assert ob.gate("run", "baseline.json").passed
    given = ob.evaluate_scores(ob.predict("downloads/RoadAnomaly_jpg/frames", method="msp", model="network.onnx",
                                          id_data="cityscapes", out="predicted").folder / "maps",
                               "road-anomaly", anomalous="higher", data="downloads", out="given")  # fmt: skip
    assert given.table()["AP"].between(0, 1).all()
    for index in (1, 2):
        ob.run(models=["network.onnx"], methods=["msp"], benchmarks=["road-anomaly"], data="downloads",
               id_data="cityscapes", out="sharded", shard=f"{index}/2")  # fmt: skip
    assert [shard.state for shard in ob.status("sharded").shards] == ["done", "done"]
    merged = ob.merge(["sharded"])
    with pytest.raises(ob.errors.UsageError, match="its benchmarks are road-anomaly"):
        ob.submit("segment-me-if-you-can", merged, "submission")
    with pytest.raises(ob.errors.DataError):
        ob.check_submission("segment-me-if-you-can", "absent")

    scores, labels = run.score(run.results[0], benchmark[0].id), benchmark[0].read_anomaly_labels().values
    assert 0 < ob.metrics.average_precision(scores, labels) < 1
    assert 0 <= ob.metrics.fpr_at_tpr(scores, labels, tpr=0.95) <= 1
    assert 0 <= ob.metrics.auroc(scores, labels) <= 1
    assert 0 <= ob.metrics.best_f1(scores, labels) <= 1
    assert 0 <= ob.metrics.component_f1(scores, labels) <= 1


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("method", ["msp", "sml", "knn:k=2"])
def test_a_scorer_s_map_is_the_run_s(place: Path, segmenter: ob.TorchSegmenter, method: str, batch_size: int) -> None:
    run = ob.run(models=segmenter, methods=method, benchmarks="road-anomaly", data="downloads", id_data="cityscapes",
                 batch_size=batch_size, out="run", stop_after="evaluate")  # fmt: skip
    scorer = ob.Scorer(method, segmenter)
    if scorer.method.needs().fit:
        scorer.fit(ob.load_dataset("cityscapes", data="cityscapes"), batch_size=batch_size)
    frames = ob.load_benchmark("road-anomaly", data="downloads")
    images = [frame.read_image() for frame in frames]
    maps = [scorer(image) for image in images] if batch_size == 1 else scorer.score_batch(images)
    for frame, score in zip(frames, maps, strict=True):
        assert np.array_equal(run.score(run.results[0], frame.id), score)


def test_frames_for_torch_are_read_in_worker_processes(place: Path) -> None:
    dataset = ob.load_benchmark("road-anomaly", data="downloads").as_torch_dataset()
    batches = list(torch.utils.data.DataLoader(dataset, batch_size=3, num_workers=1))
    ((images, labels),) = batches
    assert images.shape == (3, 3, 48, 96)
    assert images.dtype == labels.dtype == torch.uint8
    frame = ob.load_benchmark("road-anomaly", data="downloads")[1]
    assert np.array_equal(images[1].permute(1, 2, 0), frame.read_image())
    assert np.array_equal(labels[1], frame.read_anomaly_labels().values)
    assert pickle.loads(pickle.dumps(frame)).id == frame.id  # noqa: S301  # our own


def test_invalid_arguments_of_a_scorer(segmenter: ob.TorchSegmenter) -> None:
    with pytest.raises(ob.errors.UsageError, match=r"knn is not fitted\nFit it: scorer.fit\("):
        ob.Scorer("knn", segmenter)(photograph(0))
    with pytest.raises(ob.errors.UsageError, match="msp needs no fit"):
        ob.Scorer("msp", segmenter, fit="file.safetensors")
    with pytest.raises(ob.errors.UsageError, match="no such file"):
        ob.Scorer("knn", segmenter, fit="absent.safetensors")
    with pytest.raises(ob.errors.UsageError, match="gmmseg does not fit net"):
        ob.Scorer("gmmseg", segmenter)
    with pytest.raises(ob.errors.ModelError, match="the segmenter is a Net; expected a Segmenter"):
        ob.Scorer("msp", Net())  # type: ignore[arg-type]
    scorer = ob.Scorer("msp", segmenter)
    wrong = {
        "float64 .*expected uint8": photograph(0) / 255,
        r"uint8 \[48, 96\]": photograph(0)[:, :, 0],
        r"uint8 \[1, 48, 96, 3\].*\n.*score_batch": photograph(0)[None],
        r"uint8 \[48, 96, 4\]": np.zeros((48, 96, 4), np.uint8),
        "a list": photograph(0).tolist(),
    }
    for message, image in wrong.items():
        with pytest.raises(ob.errors.ModelError, match=f"(?s){message}"):
            scorer(image)


def test_invalid_objects_of_a_run(place: Path, segmenter: ob.TorchSegmenter) -> None:
    settings = {"benchmarks": "road-anomaly", "data": "downloads", "id_data": "cityscapes", "out": "run"}
    with pytest.raises(ob.errors.UsageError, match=r"Net is not a network\nWrap a module: oodbench.TorchSegmenter"):
        ob.run(models=[Net()], **settings)  # type: ignore[list-item,arg-type]
    fitted = ob.Scorer("knn", segmenter).fit(ob.load_dataset("cityscapes", data="cityscapes")).method
    with pytest.raises(ob.errors.UsageError, match="has state that a new instance does not have"):
        ob.run(models=[segmenter], methods=[fitted], **settings)
    with pytest.raises(ob.errors.UsageError, match="two networks are called 'net'"):
        ob.run(models=[segmenter, segmenter], **settings)
    with pytest.raises(ob.errors.UsageError, match="the same as --method msp"):
        ob.run(models=[segmenter], methods=["msp", ob.create_method("msp")], **settings)


SCRIPT = """
import sys
import torch
import oodbench as ob
from torch import nn

class Cell(nn.Conv2d):
    pass

torch.manual_seed(0)
version = sys.argv[1] or None
segmenter = ob.TorchSegmenter(Cell(3, 19, 1), name="cell", version=version, device="cpu")
run = ob.run(models=[segmenter], methods=["msp"], benchmarks=["road-anomaly"], data="downloads", out=sys.argv[2],
             stop_after="evaluate", if_exists="reuse")
print(segmenter.reusable, run.record.scorers[0].key)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("version", "reused"), [("", False), ("1", True)])
def test_a_class_without_source_is_reused_only_with_a_version(place: Path, version: str, reused: bool) -> None:
    """Code on standard input has no source, as a notebook's cell has none for another process."""
    command = [sys.executable, "-W", "ignore", "-", version, "run"]
    lines = [
        subprocess.run(command, input=SCRIPT, capture_output=True, text=True, check=True, env=os.environ).stdout.split()
        for _ in range(2)
    ]
    assert lines[0][0] == str(reused)
    assert (lines[0] == lines[1]) == reused


def test_a_custom_benchmark_class(place: Path, segmenter: ob.TorchSegmenter) -> None:
    road_anomaly = type(Registry().benchmark("road-anomaly"))

    class Mine(road_anomaly):  # type: ignore[misc,valid-type]
        from dataclasses import replace as _replace

        card = _replace(road_anomaly.card, name="mine", title="Mine")

        def open(self, roots: ob.contracts.Roots) -> ob.types.FrameSet:
            return road_anomaly().open(ob.contracts.Roots(roots.anywhere))

    settings = {"data": "downloads", "id_data": "cityscapes", "stop_after": "evaluate"}
    run = ob.run(models=[segmenter], methods=["msp"], benchmarks=[Mine()], out="mine", **settings)
    assert [result.benchmark for result in run.results] == ["mine"]
    named = ob.run(models=[segmenter], methods=["msp"], benchmarks=["road-anomaly"], out="named", **settings)
    assert run.results[0].metrics == named.results[0].metrics
    assert run.evaluate(protocols=["pebal"]).results[0].protocol.name == "pebal"
    assert run.report("heatmaps")
    with pytest.raises(ob.errors.UnknownNameError, match="mine"):
        ob.load("mine").evaluate()
