"""Public table of SegmentMeIfYouCan, from a file in the format of its site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oodbench.contracts import Requirements
from oodbench.errors import DataError, UsageError
from oodbench.registry import Registry

# One row of each list in the format of the site's file. The numbers are invented.
TABLE: dict[str, list[dict[str, Any]]] = {
    "anomaly_track": [
        {
            "AnomalyTrack-test-PixBinaryClass-area_PRC": 0.9633,
            "AnomalyTrack-test-PixBinaryClass-tpr95_fpr": 0.0198,
            "AnomalyTrack-test-PixBinaryClass-best_f1": 0.91,
            "AnomalyTrack-test-SegEval-AnomalyTrack-sIoU_gt": 0.685,
            "AnomalyTrack-test-SegEval-AnomalyTrack-prec_pred": 0.558,
            "AnomalyTrack-test-SegEval-AnomalyTrack-fn_25": 111,
            "AnomalyTrack-test-SegEval-AnomalyTrack-f1_mean": 0.626,
            "method": "UNO ",
            "requires_ood": True,
            "paper": "https://example.org",
            "code": "https://example.org",
        }
    ],
    "obstacle_track": [
        {
            "ObstacleTrack-test-PixBinaryClass-area_PRC": 0.1572,
            "ObstacleTrack-test-SegEval-ObstacleTrack-f1_mean": None,
            "method": "Maximum Softmax",
            "requires_ood": False,
        }
    ],
    "laf_no_known": [
        {
            "LostAndFound-testNoKnown-PixBinaryClass-tpr95_fpr": 0.0145,
            "LostAndFound-testNoKnown-SegEval-ObstacleTrack-sIoU_gt": 0.5,
            "LostAndFound-testNoKnown-SegEval-ObstacleTrack-f1_50": 50,
            "method": "UEM",
        }
    ],
}


def read(path: Path, table: object) -> Any:
    path.write_text(table if isinstance(table, str) else json.dumps(table))
    return Registry().load("submissions", "segment-me-if-you-can").public_table(path)


def test_each_list_becomes_a_benchmark(tmp_path: Path) -> None:
    rows = read(tmp_path / "leaderboard.json", TABLE)
    assert [(row.method, row.benchmark, row.metrics) for row in rows] == [
        ("UNO", "road-anomaly-21-test", {"AP": 0.9633, "FPR95": 0.0198, "sIoU": 0.685, "PPV": 0.558, "F1*": 0.626}),
        ("Maximum Softmax", "road-obstacle-21-test", {"AP": 0.1572}),
        ("UEM", "lost-and-found-no-known@smiyc", {"FPR95": 0.0145, "sIoU": 0.5}),
    ]
    assert {(row.source, row.protocol, row.confirmed, row.network) for row in rows} == {("SMIYC", "smiyc", True, "")}
    assert [row.requirements for row in rows] == [
        Requirements(ood_data=True), Requirements(ood_data=False), Requirements(),
    ]  # fmt: skip
    assert {row.benchmark for row in rows} <= set(Registry().names("benchmarks"))


def test_a_missing_list_is_omitted(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "some.json", {"laf_no_known": TABLE["laf_no_known"], "news": [1]})
    assert row.method == "UEM"
    assert row.reference == "the public table of SegmentMeIfYouCan, as some.json has it"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("{", "not JSON"),
        ([], "not the public table"),
        ({"tracks": []}, "not the public table"),
        ({"anomaly_track": [{"requires_ood": True}]}, "anomaly_track, row 1: not an object with the name of a method"),
        ({"anomaly_track": ["UNO"]}, "anomaly_track, row 1: not an object with the name of a method"),
        ({"obstacle_track": [{"method": "A"}]}, r"row 1 \(A\): has none of the fields of ObstacleTrack-test"),
        (
            {"anomaly_track": [{"method": "A", "AnomalyTrack-test-PixBinaryClass-area_PRC": 96.33}]},
            r"row 1 \(A\): AnomalyTrack-test-PixBinaryClass-area_PRC is 96.33; expected a fraction",
        ),
        (
            {"anomaly_track": [{"method": "A", "AnomalyTrack-test-PixBinaryClass-area_PRC": "0.9"}]},
            "area_PRC is '0.9'; expected a fraction",
        ),
    ],
)
def test_another_file_is_an_error(tmp_path: Path, table: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        read(tmp_path / "leaderboard.json", table)
    assert raised.value.remedy


def test_missing_files_and_leaderboards_without_a_table_are_errors(tmp_path: Path) -> None:
    registry = Registry()
    with pytest.raises(DataError, match="can't be read"):
        registry.load("submissions", "segment-me-if-you-can").public_table(tmp_path / "nothing.json")
    with pytest.raises(UsageError, match="public table of fishyscapes can't be read"):
        registry.load("submissions", "fishyscapes").public_table(tmp_path)
