"""A run of many large frames and many methods, generated in memory: scenes and maps, shifted from frame to frame.

Shifting a map takes about as long as reading one from disk, because both transfer 8 MiB to memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from oodbench.contracts import (
    Breakdown,
    BreakdownThreshold,
    Calibration,
    Intervals,
    MethodCard,
    MethodComparison,
    PublishedResult,
    Requirements,
    Result,
    Roots,
)
from oodbench.metrics import POOLED, PixelCounts, PixelSketch, bootstrap_intervals, pixel_metrics
from oodbench.metrics.resampling.sketch_thresholds import SketchBins, choose_bins
from oodbench.registry import Registry
from oodbench.runs.compare import compare_methods
from oodbench.stages.calibrate import LEVELS
from oodbench.testing.fake_run import make_result
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap

SIZE = (1024, 2048)
NAME = "generated"
_SCENES = 4


class GeneratedRun:
    """An implementation of contracts.RunView that generates images, labels and scores."""

    quality: dict[str, Any] = {}  # noqa: RUF012  # empty and never changed
    notes: Sequence[str] = ()
    published: Sequence[PublishedResult] = ()
    location = "generated"
    seed = 0

    def __init__(self, frames: int, methods: int) -> None:
        scenes = Registry().benchmark("streets-anomaly").open(Roots()).frames[:_SCENES]
        self.ids = [f"frame_{index:04d}" for index in range(frames)]
        self._images = [cv2.resize(f.read_image(), SIZE[::-1], interpolation=cv2.INTER_CUBIC) for f in scenes]
        self._labels = [
            cv2.resize(f.read_anomaly_labels().values, SIZE[::-1], interpolation=cv2.INTER_NEAREST)  # type: ignore[misc]
            for f in scenes
        ]
        self._maps = [[self._map(scene, method) for scene in range(_SCENES)] for method in range(methods)]
        self._index = {name: index for index, name in enumerate(self.ids)}

    def _map(self, scene: int, method: int) -> ScoreMap:
        """Return edges and noise on a grid of stride 4, resized to full size, with higher scores on anomalies."""
        rng = np.random.default_rng([scene, method])
        grey = cv2.cvtColor(self._images[scene], cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (SIZE[1] // 4, SIZE[0] // 4), interpolation=cv2.INTER_AREA).astype(np.float32)
        edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(small, (0, 0), 1 + method / 4), cv2.CV_32F))
        coarse = edges + rng.normal(0, 1 + method / 8, small.shape).astype(np.float32)
        full = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(full + (2 + method / 4) * (self._labels[scene] == 1), np.float32)

    def _shifted(self, pixels: NDArray[Any], index: int) -> NDArray[Any]:
        return np.roll(pixels, 37 * index, axis=1)

    def frames(self, benchmark: str) -> Sequence[str]:
        return self.ids

    figure_frames = frames

    def image(self, benchmark: str, frame: str) -> RGBImage:
        index = self._index[frame]
        return self._shifted(self._images[index % _SCENES], index)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels:
        index = self._index[frame]
        return AnomalyLabels(self._shifted(self._labels[index % _SCENES], index))

    def semantic_labels(self, benchmark: str, frame: str) -> None:
        return None

    def prediction(self, result: Result, frame: str) -> None:
        return None

    def score(self, result: Result, frame: str) -> ScoreMap:
        index = self._index[frame]
        return self._shifted(self._maps[result.params["number"]][index % _SCENES], index)

    def level_picture(self, result: Result, frame: str) -> None:
        return None

    def binned_scores(self, result: Result) -> None:
        return None

    def calibration(self, result: Result) -> Calibration:
        """Return the calibration on the in-distribution pixels of the first scene."""
        ordinary = self._maps[result.params["number"]][0][self._labels[0] == 0]
        return Calibration(LEVELS, np.quantile(ordinary, LEVELS).astype(np.float32), "the first scene")

    def benchmark_title(self, benchmark: str) -> str:
        return benchmark

    def requirements(self, result: Result) -> Requirements:
        return Requirements(retraining=False, extra_network=False, ood_data=False)

    def card(self, result: Result) -> MethodCard:
        return MethodCard(name=result.method, title=result.label, paper="none", url="none")

    def groups(self, benchmark: str) -> Sequence[str]:
        return self.ids

    def breakdown(self, result: Result) -> Breakdown:
        score = self.calibration(result).score_at(0.95)
        threshold = BreakdownThreshold(
            name="calibrated", title="5 % exceed it", score=score, expected=0.05, fpr=None, recall=None
        )
        return Breakdown(thresholds=(threshold,), groups=(), false_alarms=())

    def comparisons(self) -> Sequence[MethodComparison]:
        """Return the comparisons that `oodbench compare` computes from the sketches of a run."""
        return compare_methods(self)  # type: ignore[arg-type]

    def sketch(self, result: Result) -> PixelSketch:
        return self._sketches[result.params["number"]]

    @cached_property
    def results(self) -> Sequence[Result]:
        """The results with metrics and intervals as evaluation computes them."""
        results = []
        for number, sketch in enumerate(self._sketches):
            intervals = bootstrap_intervals(sketch, 0)
            bounds = Intervals(
                level=0.95, method="percentile", unit="frames", units=len(self.ids), resamples=2000,
                bounds=dict(intervals.bounds), undefined=dict(intervals.undefined),
            )  # fmt: skip
            values = dict(zip(sketch.names, sketch.metrics()[:, 0].tolist(), strict=True))
            results.append(make_result(
                f"m{number}", 0.0, 0.0, NAME, label=f"Method {number + 1}", params={"number": number}, metrics=values,
                counts={"frames": len(self.ids), "expected_frames": len(self.ids)}, intervals=bounds, warnings=[],
            ))  # fmt: skip
        return results

    @cached_property
    def _sketches(self) -> list[PixelSketch]:
        """The sketch of each method. The counts of a scene with noise represent its frames, because these are alike."""
        rng, sketches = np.random.default_rng(0), []
        for maps in self._maps:
            pool = PixelCounts()
            for score, labels in zip(maps, self._labels, strict=True):
                pool.update(score, AnomalyLabels(labels))
            bins: SketchBins = choose_bins(pool.points(), pool.positive, pool.negative, POOLED.tpr)
            assert pixel_metrics(pool, POOLED).values["AP"] > 0
            scenes = [
                bins.count(score, AnomalyLabels(labels)) for score, labels in zip(maps, self._labels, strict=True)
            ]
            counts = np.stack([rng.poisson(scenes[index % _SCENES]) for index in range(len(self.ids))])
            sketches.append(PixelSketch(("AP", "FPR95", "AUROC"), bins, counts, POOLED.tpr))
        return sketches
