"""SegmentMeIfYouCan's public table, read from a copy of its website's assets/leaderboard.json.

The table is maintained by hand: some rows lack fields, and a few numbers are percentages instead of fractions. Missing
fields and nulls are skipped. A number that is not a fraction is an error that names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oodbench.contracts import PublishedResult, Requirements
from oodbench.errors import DataError
from oodbench.files import read_text
from oodbench.reports.submissions.segment_me_if_you_can.entry import LISTS, LOST_AND_FOUND

# Maps each list of the table to our benchmark.
_BENCHMARKS = {
    "anomaly_track": "road-anomaly-21-test",
    "obstacle_track": "road-obstacle-21-test",
    "laf_no_known": LOST_AND_FOUND,
}
# Maps our metric to the middle and the end of the field's name.
_METRICS = {
    "AP": ("PixBinaryClass", "area_PRC"),
    "FPR95": ("PixBinaryClass", "tpr95_fpr"),
    "sIoU": ("SegEval", "sIoU_gt"),
    "PPV": ("SegEval", "prec_pred"),
    "F1*": ("SegEval", "f1_mean"),
}
_OBTAIN = (
    "Give assets/leaderboard.json of github.com/SegmentMeIfYouCan/segment-me-if-you-can, an object with the lists "
    f"{', '.join(_BENCHMARKS)}."
)


def read_public_rows(path: Path) -> Sequence[PublishedResult]:
    """Read the results in the table.

    Raises:
        DataError: The file is missing or not JSON, has none of the lists, or contains a row without a method or number,
            or a number that is not a fraction.
    """
    try:
        table = json.loads(read_text(path))
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})", _OBTAIN) from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error})", _OBTAIN) from None
    if not isinstance(table, dict) or not any(isinstance(table.get(key), list) for key in _BENCHMARKS):
        raise DataError(f"{path}: not the public table of SegmentMeIfYouCan", _OBTAIN)
    return [
        _parse_row(path, key, number, row)
        for key in _BENCHMARKS
        for number, row in enumerate(table.get(key) or [], 1)
    ]  # fmt: skip


def _parse_row(path: Path, key: str, number: int, row: Any) -> PublishedResult:
    where = f"{path}: {key}, row {number}"
    if not isinstance(row, Mapping) or not isinstance(row.get("method"), str) or not row["method"].strip():
        raise DataError(f"{where}: not an object with the name of a method", _OBTAIN)
    where = f"{where} ({row['method'].strip()})"
    data, components = LISTS[key]
    metrics = {}
    for name, (part, end) in _METRICS.items():
        field = f"{data}-{part}-{end}" if part == "PixBinaryClass" else f"{data}-{part}-{components}-{end}"
        value = row.get(field)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise DataError(f"{where}: {field} is {value!r}; expected a fraction", "Fix it in your copy of the file.")
        metrics[name] = float(value)
    if not metrics:
        raise DataError(f"{where}: has none of the fields of {data}, such as {data}-PixBinaryClass-area_PRC", _OBTAIN)
    requires = row.get("requires_ood")
    return PublishedResult(
        method=row["method"].strip(),
        network="",
        benchmark=_BENCHMARKS[key],
        metrics=metrics,
        source="SMIYC",
        reference=f"the public table of SegmentMeIfYouCan, as {path.name} has it",
        confirmed=True,
        protocol="smiyc",
        requirements=Requirements(ood_data=requires if isinstance(requires, bool) else None),
    )
