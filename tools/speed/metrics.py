"""Duration of the exact metrics, compared with scikit-learn on the same scores in one run.

    python -m tools.speed.metrics [--sizes 2 50 210] [--without-reference 210] [--brackets]

Score maps are synthetic, for frames of 1024 x 2048 with 0.85 % anomalous pixels. `smooth` is a noise field at a quarter
of the resolution, resized bilinearly. `tied` is the same rounded to half precision. `iid` has no spatial coherence.

Each measurement runs in a separate process on one core, with its scores already in memory. Times are CPU times, which
equal wall-clock times on an otherwise idle core. The column "two threads" is the wall-clock time on two cores.
scikit-learn computes average precision, the ROC curve with all its points, and the area under that curve. It is omitted
for 210 million pixels, for which it takes minutes and 7 GB. Prints a table whose last columns are the peak memory of
the process, and its part in addition to the scores.

With --brackets, it prints the widths of the intervals of `BucketCounts`, and checks that they contain the exact values.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oodbench.metrics import Buckets

FRAME = (1024, 2048)


def make_frame(kind: str, rng) -> tuple:  # type: ignore[no-untyped-def,type-arg]
    """Return a frame: float32 scores and uint8 labels."""
    import cv2
    import numpy as np

    if kind == "iid":
        score = rng.standard_normal(FRAME, np.float32)
    else:
        field = rng.standard_normal((FRAME[0] // 4, FRAME[1] // 4), np.float32)
        score = cv2.resize(field, FRAME[::-1], interpolation=cv2.INTER_LINEAR)
    label = np.zeros(FRAME, np.uint8)
    top, left = rng.integers(0, FRAME[0] - 134), rng.integers(0, FRAME[1] - 134)
    label[top : top + 134, left : left + 134] = 1
    score[label == 1] += np.float32(1.5)
    return score.astype(np.float16).astype(np.float32) if kind == "tied" else score, label


def make_frames(kind: str, millions: int) -> tuple[list, list]:  # type: ignore[type-arg]
    import numpy as np

    rng = np.random.default_rng(0)
    frames = [make_frame(kind, rng) for _ in range(max(1, round(millions * 1e6 / (FRAME[0] * FRAME[1]))))]
    return [score for score, _ in frames], [label for _, label in frames]


def compute_with_oodbench(scores: list, labels: list, compiled: bool) -> dict[str, float]:  # type: ignore[type-arg]
    from oodbench.metrics import POOLED, PixelCounts, group_scores, pixel_metrics
    from oodbench.threads import open_pool
    from oodbench.types import AnomalyLabels

    counts = PixelCounts(compiled)
    with open_pool() as pool:
        grouped = pool.map(
            lambda score, label: group_scores(score, AnomalyLabels(label), compiled=compiled), scores, labels
        )
        for frame in grouped:
            counts.add(frame)
    return dict(pixel_metrics(counts, POOLED).values)


def compute_with_scikit_learn(scores: list, labels: list) -> dict[str, float]:  # type: ignore[type-arg]
    import numpy as np
    from sklearn.metrics import auc, average_precision_score, roc_curve

    score = np.concatenate([part.ravel() for part in scores])
    label = np.concatenate([part.ravel() for part in labels])
    fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
    at = float(fpr[np.searchsorted(tpr, 0.95)])
    return {"AP": float(average_precision_score(label, score)), "FPR95": at, "AUROC": float(auc(fpr, tpr))}


def measure(tool: str, kind: str, millions: int) -> None:
    """Run one measurement and print a line of JSON."""
    scores, labels = make_frames(kind, millions)
    times, wall, values = [], [], {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3 if tool != "scikit-learn" else 1):
        start, begin = time.process_time(), time.perf_counter()
        values = (
            compute_with_scikit_learn(scores, labels)
            if tool == "scikit-learn"
            else compute_with_oodbench(scores, labels, tool == "compiled")
        )
        times.append(time.process_time() - start)
        wall.append(time.perf_counter() - begin)
    pixels = sum(score.size for score in scores)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = {"peak": peak / 1024, "extra": (peak - before) / 1024}
    print(
        json.dumps(
            {"cold": times[0], "warm": min(times), "wall": min(wall), "pixels": pixels, "values": values, **memory}
        )
    )


def make_calibrated_buckets(kind: str) -> Buckets:
    """Return buckets placed by the in-distribution scores of ten frames that are not measured."""
    import numpy as np

    from oodbench.contracts import Calibration
    from oodbench.metrics import Buckets
    from oodbench.stages.calibrate import LEVELS

    rng = np.random.default_rng(1)
    scores = [score[label == 0] for score, label in (make_frame(kind, rng) for _ in range(10))]
    return Buckets.calibrated(Calibration(LEVELS, np.quantile(np.concatenate(scores), LEVELS), "ten frames"))


def print_brackets(kind: str, millions: int) -> None:
    """Print one line per kind of buckets."""
    from oodbench.metrics import POOLED, BucketCounts, Buckets, pixel_brackets
    from oodbench.types import AnomalyLabels

    scores, labels = make_frames(kind, millions)
    exact = compute_with_oodbench(scores, labels, compiled=True)
    placements = {f"even, {bits} bits": Buckets.even(bits) for bits in (16, 19, 22)}
    for name, buckets in {**placements, "calibrated": make_calibrated_buckets(kind)}.items():
        counts = BucketCounts(buckets)
        for score, label in zip(scores, labels, strict=True):
            counts.update(score, AnomalyLabels(label))
        bounds = pixel_brackets(counts, POOLED).bounds()
        assert all(low <= exact[metric] <= high for metric, (low, high) in bounds.items())
        widths = ", ".join(f"{metric} {high - low:.1e}" for metric, (low, high) in bounds.items())
        print(f"{millions} million pixels, {kind}, {name}: the exact values are inside; widths {widths}", flush=True)


def measure_in_process(tool: str, kind: str, millions: int, threads: int = 1) -> dict:  # type: ignore[type-arg]
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environment = os.environ | limits
    command = ["taskset", "-c", cores, sys.executable, __file__, "--one", tool, kind, str(millions)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(process.stdout)  # type: ignore[no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 50, 210], help="millions of pixels")
    parser.add_argument("--without-reference", type=int, nargs="*", default=[210], help="sizes without scikit-learn")
    parser.add_argument("--brackets", action="store_true", help="print only the widths of brackets")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.one[0], arguments.one[1], int(arguments.one[2]))
        return
    if arguments.brackets:
        for millions in arguments.sizes:
            for kind in ("smooth", "tied", "iid"):
                print_brackets(kind, millions)
        return
    heads = [
        "million pixels",
        "scores",
        "scikit-learn",
        "compiled, warm",
        "ratio",
        "cold",
        "plain numpy",
        "ns per pixel",
        "two threads, wall",
    ]
    print("| " + " | ".join([*heads, "peak MB", "extra MB"]) + " |")
    print("|" + "---|" * (len(heads) + 2))
    for millions in arguments.sizes:
        for kind in ("smooth", "tied", "iid"):
            reference = None
            if millions not in arguments.without_reference:
                reference = measure_in_process("scikit-learn", kind, millions)
            compiled, plain = (measure_in_process(tool, kind, millions) for tool in ("compiled", "numpy"))
            two = measure_in_process("compiled", kind, millions, threads=2)
            assert compiled["values"] == plain["values"] == two["values"]
            if reference:
                for name, value in reference["values"].items():
                    assert abs(value - compiled["values"][name]) < 1e-12, (name, value, compiled["values"][name])
            theirs = f"{reference['warm']:.2f} s" if reference else "-"
            ratio = f"{reference['warm'] / compiled['warm']:.0f}" if reference else "-"
            cells = [
                f"{compiled['pixels'] / 1e6:.0f}", kind, theirs, f"{compiled['warm']:.3f} s", ratio,
                f"{compiled['cold']:.3f} s", f"{plain['warm']:.2f} s",
                f"{1e9 * compiled['warm'] / compiled['pixels']:.1f}", f"{two['wall']:.3f} s",
                *(f"{compiled[n]:.0f}" + (f" / {reference[n]:.0f}" if reference else "") for n in ("peak", "extra")),
            ]  # fmt: skip
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
