"""TEMPORARY stand-in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oodbench.metrics.counting.counts import check_nan, flatten_scores


@dataclass(frozen=True)
class FrameScores:
    score: np.ndarray
    label: np.ndarray
    group: np.ndarray
    region: np.ndarray

    def arrays(self):
        return {k: v for k, v in vars(self).items()}

    @staticmethod
    def from_arrays(a):
        return FrameScores(**{k: a[k] for k in ("score", "label", "group", "region")})

    def pixels(self):
        return self.score, self.label


def group_scores(score, labels, prediction=None, regions=None):
    bits, flat = flatten_scores(score, labels)
    s = np.ascontiguousarray(score).ravel()
    check_nan(int(np.isnan(s[flat <= 1]).sum()), int((flat <= 1).sum()))
    z = np.zeros(flat.size, np.uint8)
    return FrameScores(
        s.copy(),
        np.where(flat > 1, 255, flat).astype(np.uint8),
        z if prediction is None else prediction.ravel().copy(),
        z.astype(np.int32) if regions is None else regions.ravel().copy(),
    )
