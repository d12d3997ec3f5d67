"""The entry for SegmentMeIfYouCan's public table: one object per track in assets/leaderboard.json of its website.

The fields are those of the table in April 2026. The platform measures the numbers of the two tracks, whose labels are
hidden; these fields are null until it has answered. The numbers of Lost and Found without known objects, whose labels
are public, are computed if a run has its 1043 frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oodbench.contracts import ComponentSizes, SubmissionScorer, SubmittedFrame
from oodbench.files import write_atomically
from oodbench.metrics import PROTOCOLS, ComponentMetrics, component_metrics, make_evaluation
from oodbench.types import AnomalyLabels, ScoreMap

ENTRY = "leaderboard_entry.json"
LOST_AND_FOUND = "lost-and-found-no-known@smiyc"

# Maps each list of the table to the names of dataset and component track in its field names.
LISTS: Mapping[str, tuple[str, str]] = {
    "anomaly_track": ("AnomalyTrack-test", "AnomalyTrack"),
    "obstacle_track": ("ObstacleTrack-test", "ObstacleTrack"),
    "laf_no_known": ("LostAndFound-testNoKnown", "ObstacleTrack"),
}
_PIXELS = ("area_PRC", "tpr95_fpr", "best_f1")
_COMPONENTS = (
    "sIoU_gt", "prec_pred", "fn_25", "fp_25", "f1_25", "fn_50", "fp_50", "f1_50", "fn_75", "fp_75", "f1_75", "f1_mean",
)  # fmt: skip
# Indices of t = 0.25, 0.50 and 0.75 among the eleven thresholds.
_AT = {"25": 0, "50": 5, "75": 10}


def list_fields(key: str) -> list[str]:
    """List the names of the 15 numbers in a list of the table."""
    data, components = LISTS[key]
    return [
        *(f"{data}-PixBinaryClass-{name}" for name in _PIXELS),
        *(f"{data}-SegEval-{components}-{name}" for name in _COMPONENTS),
    ]


def make_entry(
    scored: SubmissionScorer, tracks: Sequence[str], name: str, params: Any
) -> dict[str, list[dict[str, Any]]]:
    """Create the entry, a list with one object for each submitted track.

    Args:
        scored: Scores of the run.
        tracks: Names of the tracks.
        name: Name of the method.
        params: Parameters requires_ood, paper and code.
    """
    about = {
        "method": name,
        "requires_ood": params.requires_ood,
        "paper": params.paper or (scored.method.url if scored.method else ""),
        "code": params.code,
    }
    table = {
        key: [dict.fromkeys(list_fields(key)) | about]
        for key, (_, track) in LISTS.items()
        if track in tracks and key != "laf_no_known"
    }
    known = [frame for frame in scored.frames if frame.benchmark == LOST_AND_FOUND]
    if known and len(known) == scored.expected[LOST_AND_FOUND]:
        table["laf_no_known"] = [_measure(known) | about]
    return table


def _measure(frames: Sequence[SubmittedFrame]) -> dict[str, Any]:
    """Compute the numbers of labelled frames under the toolkit's protocol."""
    protocol, sizes = PROTOCOLS["smiyc"], ComponentSizes(prediction=50, object=10)

    def read() -> Iterator[tuple[ScoreMap, AnomalyLabels]]:
        for frame in frames:
            assert frame.read_labels is not None, "its labels are public"
            yield frame.read_score(), frame.read_labels()

    evaluation = make_evaluation(protocol)
    for score, labels in read():
        evaluation.update(score, labels)
    pixels = evaluation.metrics()
    components = component_metrics(read, protocol, sizes, {"": pixels.best_f1_threshold})[""]
    values = [pixels.values["AP"], pixels.values["FPR95"], pixels.best_f1, *_format_components(components)]
    return dict(zip(list_fields("laf_no_known"), values, strict=True))


def _format_components(metrics: ComponentMetrics) -> list[Any]:
    values: dict[str, Any] = {"sIoU_gt": metrics.values["sIoU"], "prec_pred": metrics.values["PPV"]}
    for name, at in _AT.items():
        values |= {
            f"fn_{name}": int(metrics.fn[at]),
            f"fp_{name}": int(metrics.fp[at]),
            f"f1_{name}": float(metrics.f1[at]),
        }
    values["f1_mean"] = metrics.values["F1*"]
    return [None if isinstance(v := values[name], float) and math.isnan(v) else v for name in _COMPONENTS]


def write_entry(path: Path, table: Mapping[str, Any]) -> None:
    """Write the entry as JSON with the indentation of the table."""
    write_atomically(path, lambda file: file.write((json.dumps(table, indent=2) + "\n").encode()))


def find_entry_problems(name: str, content: bytes) -> Iterator[str]:
    """Yield the problems of an entry file."""
    try:
        table = json.loads(content)
    except ValueError as error:
        yield f"{name}: not JSON ({error})."
        return
    if not isinstance(table, dict) or not all(isinstance(rows, list) for rows in table.values()):
        yield f"{name}: expected an object of lists, as in assets/leaderboard.json."
        return
    for key, rows in table.items():
        if key not in LISTS:
            yield f"{name}: unknown list '{key}'; expected {', '.join(LISTS)}."
            continue
        for row in rows:
            yield from (f"{name}: {key}: {problem}" for problem in _find_row_problems(row, list_fields(key)))


def _find_row_problems(row: Mapping[str, Any], numbers: Sequence[str]) -> Iterator[str]:
    texts = ("method", "paper", "code")
    for field in row:
        if field not in (*numbers, *texts, "requires_ood"):
            yield f"unknown field '{field}'."
    for field in (*numbers, *texts, "requires_ood"):
        if field not in row:
            yield f"the field '{field}' is missing."
    for field in texts:
        if not isinstance(row.get(field, ""), str):
            yield f"{field} is {row[field]!r}; expected a text."
    if not isinstance(row.get("requires_ood", False), bool):
        yield f"requires_ood is {row['requires_ood']!r}; expected true or false."
    for field in numbers:
        value = row.get(field)
        counted = field.rsplit("-", 1)[1].startswith(("fn_", "fp_"))
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int if counted else int | float):
            yield f"{field} is {value!r}; expected a {'count' if counted else 'fraction'}."
        elif value < 0 or not (counted or value <= 1):
            yield f"{field} is {value!r}; expected {'0 or more' if counted else 'a fraction, no percentage'}."
