"""Results as a pandas DataFrame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oodbench.contracts import Result

if TYPE_CHECKING:
    import pandas as pd


def tabulate_results(results: Sequence[Result]) -> pd.DataFrame:
    """Return a table with one row per result; metrics are fractions, NaN if undefined.

    A metric with a bracket has its midpoint, and two more columns with the bounds: `AP_min` and `AP_max`, for example.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "network": result.network,
                "method": result.method,
                "label": result.label,
                "benchmark": result.benchmark,
            }
            | {name: math.nan if value is None else value for name, value in result.metrics.items()}
            | {
                f"{name}_{end}": value
                for name, bracket in result.brackets.items()
                for end, value in zip(("min", "max"), bracket, strict=True)
            }
            | {
                "frames": result.counts["frames"],
                "scoring": result.scoring.upsample,
                "resize": result.scoring.resize,
            }
            | {"protocol": result.protocol.name}
            for result in results
        ]
    )
