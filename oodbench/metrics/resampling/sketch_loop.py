"""Compiled loop of pixel sketches: the terms of the metrics of resampled frames, in one pass over the bins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from oodbench.compiled import compiled


@compiled(nogil=True, error_model="numpy")
def accumulate_bins(
    here: NDArray[np.float64],
    normal: NDArray[np.float64],
    half: NDArray[np.float64],
    passed: NDArray[np.float64],
    wrong: NDArray[np.float64],
    tpr: float,
    precision: NDArray[np.float64],
    false_positives: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Compute the terms of AP, FPR95 and AUROC of B samples in K bins. Counts are whole numbers, so sums are exact.

    Args:
        here: [B, K], anomalous pixels, in descending order of scores.
        normal: [B, K], in-distribution pixels.
        half: [K], 0 if all anomalous pixels of the bin are at its end, otherwise 0.5.
        passed: [K], mean share of the bin's in-distribution pixels above its anomalous pixels, as in `SketchBins`.
        wrong: [K], the same share with equal scores counted half.
        tpr: The true positive rate at which the false positive rate is read.
        precision: [B, K], receives the precision at the mean anomalous pixel of each bin; 0 without such pixels.
        false_positives: [B, K], receives the in-distribution pixels above it, equal scores counted half.
        totals: [B, 4], receives the anomalous and the in-distribution pixels above the bin in which the true positive
            rate reaches `tpr`, and those of all bins.

    Returns:
        int64 [B], this bin.
    """
    samples, bins = here.shape
    reached = np.zeros(samples, np.int64)
    for sample in range(samples):
        true = before = 0.0
        # Two loops: the compiler vectorises the second, which divides.
        for k in range(bins):
            true += here[sample, k]
            # Mean position of a bin's anomalous pixels: at the end of the bin, or half way through it.
            precision[sample, k] = true - max(here[sample, k] - 1.0, 0.0) * half[k]
            false_positives[sample, k] = before
            before += normal[sample, k]
        for k in range(bins):
            rank, above = precision[sample, k], false_positives[sample, k]
            precision[sample, k] = rank / (rank + (above + passed[k] * normal[sample, k])) if rank > 0 else 0.0
            false_positives[sample, k] = above + wrong[k] * normal[sample, k]
        k = 0
        true_above = before_above = 0.0
        while k < bins - 1 and not (true_above + here[sample, k]) / true >= tpr:
            true_above += here[sample, k]
            before_above += normal[sample, k]
            k += 1
        reached[sample] = k
        totals[sample] = true_above, before_above, true, before
    return reached
