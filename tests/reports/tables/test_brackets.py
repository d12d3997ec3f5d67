"""Brackets of metrics in every table: bounds are printed, and never a single number."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from oodbench.contracts import Result, metric_spec, warn_of_wide_brackets
from oodbench.registry import Registry
from oodbench.reports.html.answer import summarise_table
from oodbench.reports.html.provenance import list_provenance
from oodbench.reports.html.sections import build_sections
from oodbench.reports.tables.build import results_tables
from oodbench.runs.table import tabulate_results
from oodbench.testing.fake_run import HandmadeRun, make_result

INTERVALS = {
    "level": 0.95, "method": "percentile", "unit": "frames", "units": 60, "resamples": 2000,
    "bounds": {"AP": (0.281, 0.345)}, "undefined": {},
}  # fmt: skip


def bounded(method: str, low: float, high: float, **changes: Any) -> Result:
    return make_result(method, (low + high) / 2, 0.25, brackets={"AP": (low, high)}, **changes)


MSP = bounded("msp", 0.309361, 0.309438, intervals=INTERVALS)
NEAR = bounded("knn", 0.30943, 0.30951)
FAR = bounded("sml", 0.2, 0.20001)
EXACT = make_result("energy", 0.3, 0.25)


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "intervals"])
def test_text_tables_print_bounds_in_percent(name: str) -> None:
    text = Registry().report(name).text(HandmadeRun([MSP, EXACT]))
    assert "[30.936, 30.944]" in text
    assert "30.00" in text
    assert "30.94 " not in text
    assert "two numbers in place of one are guaranteed bounds of a metric that was computed from histograms." in text
    assert ("[28.1, 34.5]" in text) == (name != "terminal")


def test_csv_and_json_have_all_digits() -> None:
    first, second = csv.DictReader(io.StringIO(Registry().report("csv").text(HandmadeRun([MSP, EXACT]))))
    assert (first["AP"], first["AP_min"], first["AP_max"]) == ("[0.309361, 0.309438]", "0.309361", "0.309438")
    assert (second["AP"], second["AP_min"], second["AP_max"]) == ("0.3", "", "")
    (record,) = json.loads(Registry().report("json").text(HandmadeRun([MSP])))["rows"]
    assert record["brackets"] == {"AP": [0.309361, 0.309438]}


def test_tables_of_exact_results_are_unchanged() -> None:
    (line,) = csv.DictReader(io.StringIO(Registry().report("csv").text(HandmadeRun([EXACT]))))
    assert not [name for name in line if name.endswith(("_min", "_max"))]
    assert not [name for name in tabulate_results([EXACT]).columns if name.endswith(("_min", "_max"))]
    assert "[" not in Registry().report("terminal").text(HandmadeRun([EXACT]))


def test_the_data_frame_has_midpoints_and_bounds() -> None:
    table = tabulate_results([MSP, EXACT])
    assert table["AP"].tolist() == [(0.309361 + 0.309438) / 2, 0.3]
    assert table["AP_min"].tolist()[0] == 0.309361
    assert table["AP_max"].isna().tolist() == [False, True]


def test_overlapping_brackets_share_a_rank() -> None:
    def ranks(*results: Result) -> dict[str, int]:
        (table,) = results_tables(HandmadeRun(list(results)))
        column = next(index for index, column in enumerate(table.columns) if column.spec.name == "AP")
        return {table.lines[line].method: rank for (line, at), rank in table.ranks().items() if at == column}

    assert ranks(MSP, NEAR, FAR, EXACT) == {"MSP": 1, "KNN": 1, "ENERGY": 2}
    assert ranks(MSP, FAR) == {"MSP": 1, "SML": 2}
    assert ranks(EXACT, make_result("msp", 0.2, 0.1), make_result("knn", 0.3, 0.1)) == {"ENERGY": 1, "KNN": 1, "MSP": 2}


def test_bounds_are_rounded_outwards() -> None:
    spec = metric_spec("AP")
    assert spec.format_bracket((0.3093609, 0.3094301)) == "[30.936, 30.944]"
    assert spec.format_bracket((0.5, 0.5)) == "[50.000, 50.000]"
    assert spec.format_bracket((0.0, 1e-12)) == "[0.000, 0.001]"
    assert spec.format_bracket((1 - 1e-12, 1.0)) == "[99.999, 100.000]"


def test_wide_brackets_are_a_warning() -> None:
    assert MSP.bracket_widths == {"AP": pytest.approx(7.7e-5)}
    assert warn_of_wide_brackets("MSP", "streets", {"AP": (0.3, 0.3001 - 1e-9)}) == []
    (warning,) = warn_of_wide_brackets("MSP", "streets", {"AP": (0.3, 0.31), "AUROC": (0.9, 0.90001)})
    assert warning.startswith("MSP: on streets, histograms determine AP to 0.01 only; expected 0.0001 or less: ")


def test_the_page_shows_bounds(tmp_path: Path) -> None:
    run = HandmadeRun([MSP, NEAR, FAR])
    (section,) = build_sections(run)
    answer = summarise_table(run, section)
    assert answer.lead.startswith("KNN has the best AP, [30.943, 30.951]\N{NO-BREAK SPACE}%")
    assert "Two numbers in place of one" in section.notes[0]
    facts = dict(list_provenance(MSP, None))
    assert facts["Numbers, as fractions"][0] == ("AP", "[0.309361, 0.309438], 7.7e-05 wide")
    (page,) = Registry().report("html").write(run, tmp_path)
    assert '<span class="value">[30.936, 30.944]</span>' in page.read_text(encoding="utf-8")


class Untested(HandmadeRun):
    def comparisons(self) -> list[Any]:  # type: ignore[override]
        return []


def test_untested_methods_with_overlapping_bounds_are_both_best() -> None:
    run = Untested([MSP, NEAR, FAR])
    (section,) = build_sections(run)
    answer = summarise_table(run, section)
    assert answer.lead == (
        "KNN, [30.943, 30.951]\N{NO-BREAK SPACE}%, and MSP, [30.936, 30.944]\N{NO-BREAK SPACE}%, are best in AP: their "
        "bounds overlap."
    )
    assert [level for _, level in answer.order] == [True, True, False]
