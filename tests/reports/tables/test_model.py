"""The table model of all renderers: a metric that is declared once is a column in each."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from oodbench.contracts import METRICS, MetricGroup, MetricSpec, Quality, Result
from oodbench.registry import Registry
from oodbench.reports.tables.build import results_tables
from oodbench.reports.tables.formats import Latex, Markdown
from oodbench.reports.tables.intervals import IntervalTable
from oodbench.reports.tables.terminal import Terminal
from oodbench.testing.fake_run import HandmadeRun, make_result

GROUPS: tuple[MetricGroup, ...] = ("closed-set", "anomaly", "cost")
ROWS = [
    make_result("msp", 0.2, 0.5, cost={"forward_ms": 1.0}),
    make_result("knn", 0.4, 0.3, cost={"forward_ms": 1.0}),
    make_result("knn", 0.1, 0.3, "road-anomaly-21", cost={"forward_ms": 2.0}),
]


def read_energy(result: Result, quality: Quality) -> float | None:
    return {"msp": 12.34, "knn": 7.0}[result.method] if result.benchmark == "road-anomaly" else None


@pytest.fixture
def energy(monkeypatch: pytest.MonkeyPatch) -> MetricSpec:
    """Declare a cost in the registry only."""
    spec = MetricSpec("energy_j", "Energy, J", "cost", "energy per frame", read_energy, False, unit="count")
    monkeypatch.setitem(METRICS, spec.name, spec)
    return spec


@pytest.mark.usefixtures("energy")
def test_a_declared_cost_is_a_column_of_every_table(tmp_path: Path) -> None:
    run = HandmadeRun(ROWS)
    lines = [line.split() for line in Terminal(GROUPS).text(run).splitlines()]
    assert lines[0] == ["road-anomaly", "road-anomaly-21"]
    assert lines[1][1:12] == ["AP", "↑", "FPR95", "↓", "Network,", "ms", "↓", "Energy,", "J", "↓", "AP"]
    assert ["MSP", "20.00+", "50.00+", "1.0", "12+", "-", "-", "-"] in lines
    assert ["KNN", "40.00*", "30.00*", "1.0", "7*", "10.00", "30.00", "2.0"] in lines
    assert r"Energy, J $\downarrow$" in Latex(GROUPS).text(run)
    assert r"KNN & \textbf{40.00} & \textbf{30.00} & 1.0 & \textbf{7}" in Latex(GROUPS).text(run)
    assert " road-anomaly Energy, J ↓ |" in Markdown(GROUPS).text(run)
    assert "Energy, J ↓" in IntervalTable(GROUPS).text(run)
    table = list(csv.DictReader(io.StringIO(Registry().report("csv").text(run))))
    assert [line["energy_j"] for line in table] == ["12.34", "7.0", ""]
    (page,) = Registry().report("html").write(run, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert 'data-better="lower">Energy, J</button>' in text
    assert '<td class="number" data-value="12.34">12</td>' in text
    assert "Energy, J: energy per frame." in text


def test_a_cost_that_is_not_declared_is_in_no_table(tmp_path: Path) -> None:
    run = HandmadeRun(ROWS)
    (page,) = Registry().report("html").write(run, tmp_path)
    texts = [report.text(run) for report in (Terminal(GROUPS), Latex(GROUPS), Markdown(GROUPS))]
    for text in [*texts, Registry().report("csv").text(run), page.read_text(encoding="utf-8").split("<dl>")[0]]:
        assert "energy" not in text.lower()


def test_without_a_choice_text_has_no_costs() -> None:
    names = ("terminal", "markdown", "latex", "intervals")
    for text in (Registry().report(name).text(HandmadeRun(ROWS)) for name in names):
        assert "AP" in text
        assert " ms" not in text


def test_the_part_of_a_benchmark_has_only_its_rows_and_columns() -> None:
    quality = {"miou": 0.6, "ece": 0.1, "dataset": "cityscapes", "split": "val", "frames": 7}
    (table,) = results_tables(HandmadeRun(ROWS, quality={"net": quality}))
    part = table.of_benchmark("road-anomaly-21")
    assert [(column.frames, column.spec.name) for column in part.columns] == [
        ("cityscapes val", "mIoU"), ("cityscapes val", "ECE"),
        ("road-anomaly-21", "AP"), ("road-anomaly-21", "FPR95"), ("road-anomaly-21", "forward_ms"),
    ]  # fmt: skip
    assert [(line.method, [cell.text for cell in line.cells]) for line in part.lines] == [
        ("KNN", ["60.00", "10.00", "10.00", "30.00", "2.0"])
    ]


def test_significant_pairs_are_rows_of_the_table() -> None:
    rows = [make_result("msp", 0.2, 0.5), make_result("knn", 0.4, 0.3), make_result("energy", 0.1, 0.3)]
    run = HandmadeRun(rows)
    (table,) = results_tables(run, run.comparisons())
    average_precision, fpr, *_ = table.columns
    assert table.significant_pairs(average_precision) == ([1, 0, 2], [(1, 2)])
    assert table.significant_pairs(fpr) == ([], [])
    (plain,) = results_tables(run)
    assert plain.significant_pairs(average_precision) == ([], [])


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({}, (0.2, "20.00", "")),
        ({"metrics": {"AP": None}, "undefined": {"AP": "no anomaly"}}, (None, "", "no anomaly")),
        ({"metrics": {"FPR95": 0.1}}, (None, "", "not measured under this protocol")),
    ],
)
def test_an_empty_cell_has_a_reason(changes: dict[str, Any], cell: tuple[float | None, str, str]) -> None:
    (table,) = results_tables(HandmadeRun([make_result("msp", 0.2, 0.5, **changes), make_result("knn", 0.4, 0.3)]))
    made = table.lines[0].cells[0]
    assert (made.value, made.text, made.reason) == cell


def test_a_false_positive_rate_at_another_recall_is_a_column() -> None:
    rows = [make_result("msp", 0.2, None, metrics={"AP": 0.2, "FPR90": 0.4}), make_result("knn", 0.1, 0.3)]
    (table,) = results_tables(HandmadeRun(rows))
    assert [column.head for column in table.columns[:3]] == ["AP ↑", "FPR90 ↓", "FPR95 ↓"]


def test_a_wide_table_is_split_into_blocks_that_repeat_the_names() -> None:
    names = [f"benchmark-{letter}" for letter in "abcdef"]
    results = [make_result(method, 0.2, 0.5, name) for name in names for method in ("msp", "knn")]
    quality = {"miou": 0.6, "ece": 0.1, "dataset": "cityscapes", "split": "val", "frames": 7}
    text = Terminal().text(HandmadeRun(results, quality={"net": quality}))
    blocks = [block.splitlines() for block in text.split("\n\n")[:-1]]
    assert len(blocks) > 1
    assert max(len(line) for block in blocks for line in block) <= 100
    assert [title for block in blocks for title in re.split(r" {2,}", block[0].strip())] == [*names, "cityscapes val"]
    for block in blocks:
        assert [line.split()[0] for line in block[1:]] == ["Method", block[2], "MSP", "KNN"]
    assert text.count("20.00") == 2 * len(names)
