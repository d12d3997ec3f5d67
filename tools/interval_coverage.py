"""Simulation of the coverage of the 95 % intervals, and of the false alarms of significance tests.

Prints the tables of docs/measurements/interval-coverage.md.

    python -m tools.interval_coverage [--repeats 1000] [--resamples 1000]

Frames are sampled from a known population. Scores of in-distribution pixels are normal around a level specific to the
frame; those of its anomaly are higher by an amount specific to the frame. Anomalies have very different sizes, and some
frames have none. `scenes` are sequences of five frames with nearly the same level, amount and size.

The true value is the one on 40 000 other frames. An interval of level 0.95 should contain it in 95 of 100 repeats. For
the second table, two methods score the same frames. Each is better by chance on some of them; neither is better on
average. One test in twenty should report a difference.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from oodbench.metrics.resampling.intervals import IntervalMethod, bootstrap_intervals
from oodbench.metrics.resampling.significance import PairedSketches
from oodbench.metrics.resampling.sketch_thresholds import SketchBins
from oodbench.metrics.resampling.sketches import PixelSketch

NAMES = ("AP", "FPR95", "AUROC")
BINS = 128
PIXELS = 200_000


def sample_counts(rng: np.random.Generator, frames: int, scene: int = 1, methods: int = 1) -> NDArray[np.int64]:
    """Return counts int64 [methods, frames, 2, BINS] of random frames in scenes of `scene` frames."""

    def effect(spread: float) -> NDArray[np.float64]:
        shared = rng.normal(0, spread, -(-frames // scene)).repeat(scene)[:frames]
        return shared if scene == 1 else shared + rng.normal(0, 0.3 * spread, frames)

    level, amount = effect(0.4), 1.5 + effect(0.7)
    share = np.where(effect(1.0) < 1.0, 0.02 * np.exp(effect(1.2)), 0.0).clip(0, 0.4)
    edges = np.linspace(6, -4, BINS)[:-1]
    counts = np.empty((methods, frames, 2, BINS), np.int64)
    for method in range(methods):
        luck = rng.normal(0, 0.4, frames) if methods > 1 else np.zeros(frames)
        for kind, (centre, pixels) in enumerate([(level, 1 - share), (level + amount + luck, share)]):
            above = np.concatenate([ndtr(centre[:, None] - edges), np.ones((frames, 1))], axis=1)
            counts[method, :, kind] = np.rint(np.diff(above, axis=1, prepend=0) * PIXELS * pixels[:, None])
    return counts


def make_sketch(counts: NDArray[np.int64]) -> PixelSketch:
    """Return the sketch of the counts, with bins as pooled scores could have."""
    half = np.full(BINS, 0.5)
    bins = SketchBins(np.arange(BINS - 1, 0, -1).astype(np.uint32), np.zeros(BINS, bool), half, half, 0.0)
    return PixelSketch(NAMES, bins, counts, 0.95)


def measure_coverage(
    frames: int, repeats: int, resamples: int, method: IntervalMethod, scene: int = 1, grouped: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of intervals that contain the truth, and their mean width: [AP, FPR95, AUROC] each."""
    truth = make_sketch(sample_counts(np.random.default_rng(1), 40_000, scene)[0].sum(axis=0, keepdims=True)).metrics()[
        :, 0
    ]
    held, width, defined = np.zeros(3), np.zeros(3), np.zeros(3)
    for repeat in range(repeats):
        sample = make_sketch(sample_counts(np.random.default_rng([2, repeat]), frames, scene)[0])
        if scene > 1 and grouped:
            sample = sample.group([str(index // scene) for index in range(frames)])
        for index, (low, high) in ((NAMES.index(n), b) for n, b in
            bootstrap_intervals(sample, repeat, method, resamples=resamples).bounds.items()):  # fmt: skip
            defined[index] += 1
            held[index] += low <= truth[index] <= high
            width[index] += high - low
    return held / defined, width / defined


def measure_false_alarms(frames: int, repeats: int, resamples: int) -> NDArray[np.float64]:
    """Return the share of tests that report a difference of two equal methods at level 0.05: [AP, FPR95, AUROC]."""
    wrong = np.zeros(3)
    for repeat in range(repeats):
        both = sample_counts(np.random.default_rng([3, repeat]), frames, methods=2)
        paired = PairedSketches([make_sketch(counts) for counts in both], repeat, resamples)
        wrong += [paired.difference(0, 1, name).p < 0.05 for name in NAMES]
    return wrong / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    print("| frames | resampled | method | AP | FPR95 | AUROC | mean width of AP |")
    print("|---|---|---|---|---|---|---|")
    cases = [(frames, "frames", 1, True) for frames in (10, 30, 60, 100)]
    cases += [(100, "frames, in scenes of 5", 5, False), (100, "scenes of 5", 5, True), (300, "scenes of 5", 5, True)]
    methods: tuple[IntervalMethod, ...] = ("percentile", "bca")
    for frames, unit, scene, grouped in cases:
        for method in methods:
            held, width = measure_coverage(frames, arguments.repeats, arguments.resamples, method, scene, grouped)
            cells = [f"{100 * value:.1f}" for value in held]
            print(f"| {frames} | {unit} | {method} | {' | '.join(cells)} | {100 * width[0]:.1f} |", flush=True)
    print("\n| frames | AP | FPR95 | AUROC |\n|---|---|---|---|")
    for frames in (10, 30, 60, 100):
        cells = [f"{100 * value:.1f}" for value in measure_false_alarms(frames, arguments.repeats, arguments.resamples)]
        print(f"| {frames} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
