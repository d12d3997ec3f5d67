"""Quantiles of a method's scores on in-distribution pixels, for thresholds and colours that need no anomalies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oodbench.types import ScoreMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FALSE_ALARM_RATE = 0.05
"""The share of in-distribution pixels that score above the calibrated threshold, which is chosen without anomalies."""


@dataclass(frozen=True)
class Calibration:
    """Quantiles of a method's scores on in-distribution pixels that the method has not learned from.

    A threshold and the colour scales of heatmaps are derived from the quantiles, without any anomalies.

    Attributes:
        levels: float64 [Q], shares of the pixels, ascending in [0, 1].
        quantiles: float32 [Q], for each level the score that this share of the in-distribution pixels does not exceed.
        source: Description of the frames on which the quantiles were computed.

    Examples:
        >>> import numpy as np
        >>> from oodbench.contracts import FALSE_ALARM_RATE, Calibration
        >>> calibration = Calibration(np.linspace(0, 1, 101), np.linspace(0, 10, 101, dtype=np.float32), "100 frames")
        >>> round(calibration.score_at(1 - FALSE_ALARM_RATE), 4)  # 5 % of the in-distribution pixels score higher
        9.5
        >>> calibration.rarity(np.float32([[9.0]])).round(2).tolist()  # one pixel in ten scores higher
        [[1.0]]
    """

    levels: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    source: str

    def score_at(self, share: float) -> float:
        """Return the score that a share of the in-distribution pixels does not exceed.

        Args:
            share: The share in [0, 1]; 0.95 gives the threshold that 5 % of these pixels exceed.
        """
        import numpy as np

        return float(np.interp(share, self.levels, self.quantiles))

    def rarity(self, score: ScoreMap) -> NDArray[np.float32]:
        """Return -log10 of the share of in-distribution pixels that score higher, for each score.

        1 means that one in-distribution pixel in ten scores higher, 3 that one in a thousand does. Values never
        decrease with the score. The highest quantiles limit them, because the share beyond these is not known.

        Args:
            score: float32 [H, W], higher = more anomalous.

        Returns:
            float32 [H, W], 0 or more.
        """
        import numpy as np

        share = np.interp(score, self.quantiles, self.levels).astype(np.float32)
        floor = 1.0 - self.levels[-2]
        rarity: NDArray[np.float32] = -np.log10(np.maximum(1.0 - share, floor, dtype=np.float32))
        return rarity
