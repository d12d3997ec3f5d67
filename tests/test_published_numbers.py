"""Published numbers: as printed in the sources, with recalled numbers marked."""

from __future__ import annotations

import pytest

from oodbench.contracts import METRICS, PublishedResult
from oodbench.errors import UnknownNameError
from oodbench.metrics import PROTOCOLS
from oodbench.published_results import find_published, load_published
from oodbench.registry import Registry

ROWS = load_published()
LOST_AND_FOUND = "fishyscapes-lost-and-found-hidden-test"
STATIC = "fishyscapes-static-hidden-test"


def find_result(method: str, benchmark: str, source: str) -> PublishedResult:
    (row,) = [row for row in ROWS if (row.method, row.benchmark, row.source) == (method, benchmark, source)]
    return row


@pytest.mark.parametrize(
    ("method", "benchmark", "source", "metrics"),
    [
        ("GMMSeg", LOST_AND_FOUND, "GMMSeg S2", {"AP": 0.5563, "FPR95": 0.0661}),
        ("GMMSeg", STATIC, "GMMSeg S2", {"AP": 0.7602, "FPR95": 0.1596}),
        ("Outlier head", STATIC, "GMMSeg S2", {"AP": 0.9676, "FPR95": 0.0029}),
        ("SML", LOST_AND_FOUND, "SML 1", {"AP": 0.3105, "FPR95": 0.2152}),
        ("MSP", "road-anomaly", "SML 2", {"AUROC": 0.7376, "AP": 0.2059, "FPR95": 0.6844}),
        ("SML", "fishyscapes-static-v3", "SML 2", {"AUROC": 0.9669, "AP": 0.4867, "FPR95": 0.1675}),
        ("SML", "fishyscapes-static-unversioned", "SML issue 7", {"AUROC": 0.9548, "AP": 0.5179, "FPR95": 0.2244}),
        ("UEM G-G", "road-anomaly", "UEM", {"AP": 0.9375, "FPR95": 0.0632}),
    ],
)
def test_numbers_equal_those_of_the_source(method: str, benchmark: str, source: str, metrics: dict[str, float]) -> None:
    row = find_result(method, benchmark, source)
    assert (row.metrics, row.confirmed) == (metrics, True)


def test_the_table_of_the_supplement_is_complete() -> None:
    table = [row for row in ROWS if row.source == "GMMSeg S2"]
    assert len({row.method for row in table}) == 14
    assert {row.benchmark for row in table} == {LOST_AND_FOUND, STATIC}
    assert len(table) == 28
    assert {row.protocol for row in table} == {"pooled"}


def test_both_numbers_are_kept_if_sources_differ() -> None:
    supplement, sml = (find_result("Bayesian DeepLab", STATIC, source) for source in ("GMMSeg S2", "SML 1"))
    assert (supplement.metrics["FPR95"], sml.metrics["FPR95"]) == (0.1505, 0.155)


def test_recalled_numbers_are_not_confirmed() -> None:
    recalled = {row.source for row in ROWS if not row.confirmed}
    assert recalled == {"GMMSeg", "PEBAL", "DenseHybrid"}
    segformer = [row for row in ROWS if row.network == "SegFormer, MiT-B5" and row.benchmark == "road-anomaly"]
    assert {(name, row.confirmed) for row in segformer for name in row.metrics} == {
        ("FPR95", True), ("AP", False), ("AUROC", False),
    }  # fmt: skip


def test_every_entry_refers_to_known_benchmarks_and_metrics() -> None:
    benchmarks = {*Registry().names("benchmarks"), LOST_AND_FOUND, STATIC, "cityscapes val"}
    for row in ROWS:
        assert row.benchmark in benchmarks, row
        assert set(row.metrics) <= {*METRICS}, row
        assert all(0 < value < 1 for value in row.metrics.values()), row
        assert row.protocol in {*PROTOCOLS, ""}, row
        assert row.reference, row
    assert len({(row.method, row.network, row.benchmark, row.source) for row in ROWS}) == len(ROWS)


def test_published_numbers_are_selected_by_benchmark_run_or_all() -> None:
    assert {row.benchmark for row in find_published(["run", STATIC], ["road-anomaly", "mine"])} == {
        "road-anomaly", STATIC,
    }  # fmt: skip
    assert find_published([], ["road-anomaly"]) == []
    assert len(find_published(["all"], [])) == len(ROWS)
    with pytest.raises(UnknownNameError, match="Did you mean 'road-anomaly'"):
        find_published(["road-anomly"], [])
