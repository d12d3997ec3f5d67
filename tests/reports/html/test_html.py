"""Parts of the page: text, tables, regions and embedded data."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from oodbench.contracts import Result
from oodbench.errors import NotStoredError, RunFolderError
from oodbench.registry import Registry
from oodbench.reports.html.answer import summarise_table
from oodbench.reports.html.breakdown import breakdown
from oodbench.reports.html.collect import collect_benchmark
from oodbench.reports.html.overlaps import count_overlaps
from oodbench.reports.html.page import encode_json
from oodbench.reports.html.provenance import list_provenance
from oodbench.reports.html.regions import (
    Region,
    find_false_alarms,
    make_frame_objects,
    select_worst_alarms,
    select_worst_objects,
)
from oodbench.reports.html.scorers import collect_scorers
from oodbench.reports.html.sections import build_sections
from oodbench.testing.fake_run import HandmadeRun, make_result
from oodbench.types import AnomalyLabels, ScoreMap

ROWS = [
    make_result("msp", 0.2, 0.5),
    make_result("knn", 0.4, 0.3),
    make_result("energy", 0.1, 0.3),
    make_result("entropy", None, 0.6),
]


def read_lead(rows: list[Result]) -> str:
    run = HandmadeRun(rows)
    return summarise_table(run, build_sections(run)[0]).lead.replace("\N{NO-BREAK SPACE}", " ")


def test_the_summary_names_the_best_method_and_its_significance() -> None:
    assert read_lead(ROWS) == "KNN has the best AP, 40.00 %. On 3 frames, it is not significantly better than MSP."
    assert read_lead(ROWS[:1]) == "MSP reaches 20.00 % AP."
    assert read_lead(ROWS[3:]) == "AP is undefined for all methods."
    other = [make_result("msp", 0.2, 0.5, "other"), *ROWS[1:]]
    assert (
        read_lead(other[1:]) == "KNN has the best AP, 40.00 %. On 3 frames, it is not significantly better than ENERGY."
    )


class Apart(HandmadeRun):
    """A run whose first method is significantly better than all others."""

    def comparisons(self):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        (found,) = super().comparisons()
        entries = tuple(replace(entry, significant=place > 0) for place, entry in enumerate(found.entries))
        return (replace(found, entries=entries, apart=((0, 1), (0, 2))),)


def test_the_summary_states_the_difference() -> None:
    run = Apart(ROWS[:3])
    found = summarise_table(run, build_sections(run)[0])
    assert found.lead.replace("\N{NO-BREAK SPACE}", " ") == (
        "KNN has the best AP, 40.00 %, 20.00 points better than MSP. The difference is significant over 3 frames "
        "(p = 0.5000, Holm)."
    )
    assert [tied for _, tied in found.order] == [True, False, False]
    assert found.more == ("Only 3 of the benchmark's 60 frames were measured.",)


def test_the_summary_rates_the_threshold_chosen_without_anomalies() -> None:
    run = HandmadeRun(ROWS[:1])
    (first, _) = summarise_table(run, build_sections(run)[0]).more
    assert first.replace("\N{NO-BREAK SPACE}", " ") == (
        "At the calibrated threshold, set for 5 % false positives, MSP finds 50.0 % of the anomalous pixels and calls "
        "12.5 % of the in-distribution pixels anomalous."
    )


def test_rows_have_cost_training_signals_and_quality() -> None:
    quality = {"miou": 0.5, "ece": None, "dataset": "cityscapes", "split": "val", "frames": 5}
    cost = {"forward_ms": 10.0, "summary_ms": 1.5, "score_ms": 2.0, "fit_s": None}
    rows = [
        make_result("outlier", 0.4, 0.3, cost=cost),
        make_result("msp", 0.3, 0.3, network="other", cost={**cost, "fit_s": 0.25}),
    ]
    networks = {"net": quality, "other": {**quality, "ece": 0.1}}
    (section,) = build_sections(HandmadeRun(rows, quality=networks))
    line, other = section.lines
    shown = [[section.head(cell.column), cell.text] for cell in line.cells]
    assert shown == [
        ["AP", "40.00"], ["FPR95", "30.00"], ["mIoU", "50.00"], ["ECE", "–"],
        ["Network, ms", "10.0"], ["Summary, ms", "1.5"], ["Scoring, ms", "2.0"], ["Method, ms", "3.5"], ["Fit, s", "–"],
    ]  # fmt: skip
    assert [cell.text for cell in other.cells if section.head(cell.column) in ("ECE", "Fit, s")] == ["10.00", "0.2"]
    assert line.flags == {"Retraining": False, "Extra network": False, "OoD data": True}


def test_significant_pairs_refer_to_table_rows() -> None:
    (section,) = build_sections(HandmadeRun(ROWS))
    facts = section.significance()
    assert facts["AP"] == {"higher": True, "known": [1, 0, 2], "apart": [[1, 2]]}
    assert facts["FPR95"] == {"higher": False, "known": [], "apart": []}


def test_each_protocol_has_a_separate_table() -> None:
    made = build_sections(HandmadeRun([ROWS[0], make_result("msp", 0.3, 0.4, protocol={"name": "caos"})]))
    assert [(section.benchmark, section.protocol) for section in made] == [
        ("road-anomaly", "pooled"),
        ("road-anomaly", "caos"),
    ]


def test_cards_name_their_protocol_if_there_are_several(tmp_path: Path) -> None:
    def chips(rows: list[Result]) -> list[str]:
        (page,) = Registry().report("html").write(HandmadeRun(rows), tmp_path)
        return re.findall(r'<h3>road-anomaly <span class="soft">([\w-]+)</span></h3>', page.read_text())

    other = make_result("msp", 0.3, 0.4, protocol={"name": "caos"})
    assert chips([ROWS[0], other]) == ["pooled", "caos"]
    assert chips([other]) == ["caos"]
    assert chips([ROWS[0]]) == []


def test_breakdowns_are_tables() -> None:
    run = HandmadeRun(ROWS[:2])
    size, place, kind, mistakes = breakdown(run, build_sections(run)[0])
    assert [column.name for column in size.table.columns] == ["1 to 10 %"]
    assert size.table.columns[0].about == "100 % of pixels, 3 regions"
    assert size.table.lines == (("MSP", ((0.25, 0.95, 0.5),)),)
    assert place.table.lines == (("MSP", ((0.25, 0.95, 0.5),)),)
    assert kind.table.lines == (("MSP", ((None, 0.95, 0.5),)),)
    assert mistakes.table.lines == (("MSP", ((1.0, 1.0),)),)


def test_provenance_has_every_digest_and_no_empty_fields() -> None:
    made = make_result("msp", 0.2, 0.5, digests={"network": "abc", "data": "def", "scores": "123"}, params={"k": 3})
    facts = dict(list_provenance(made, None))
    assert facts["SHA-256"] == [("network", "abc"), ("data", "def"), ("scores", "123")]
    assert ("k", "3") in facts["Method"]
    assert "Intervals" not in facts


# Counts


def test_objects_are_listed_with_their_detected_share() -> None:
    values = np.zeros((40, 60), np.uint8)
    values[2:12, 3:13] = 1
    values[20:30, 40:48] = 1
    values[0, 59] = 1  # too small
    called = np.zeros(values.shape, np.bool_)
    called[:7] = True
    found = make_frame_objects(4, AnomalyLabels(values)).found(called)
    assert found == [Region(4, (3, 2, 10, 10), 100, 50), Region(4, (40, 20, 8, 10), 80, 0)]
    assert select_worst_objects(found)[0].pixels == 80


def test_false_alarms_are_regions_without_anomaly_or_void() -> None:
    values = np.zeros((40, 60), np.uint8)
    values[:, 30] = 1
    values[:, 45] = 255
    called = np.zeros(values.shape, np.bool_)
    called[10:20, 20:60] = True
    found = find_false_alarms(1, called, AnomalyLabels(values))
    assert [(region.box, region.pixels) for region in select_worst_alarms(found)] == [
        ((31, 10, 14, 10), 140), ((46, 10, 14, 10), 140), ((20, 10, 10, 10), 100),
    ]  # fmt: skip


def test_overlaps_equal_a_case_computed_by_hand() -> None:
    labels = AnomalyLabels(np.array([[0, 0, 1, 1, 255]], np.uint8))
    first = np.array([[True, False, True, True, True]])
    second = np.array([[True, True, False, True, True]])
    assert count_overlaps([first, second, None], labels).tolist() == [
        [[1, 1, 0], [1, 2, 0], [0, 0, 0]],
        [[2, 1, 0], [1, 1, 0], [0, 0, 0]],
    ]


# Output files


def test_embedded_data_can_not_end_a_script() -> None:
    text = encode_json({"</script><!--": "\u2028"})
    assert "<" not in text
    assert json.loads(text) == {"</script><!--": "\u2028"}


def test_the_page_makes_no_requests_and_escapes_names(tmp_path: Path) -> None:
    rows = [make_result("msp", 0.2, 0.5, label="<i>MSP</i>"), make_result("knn", 0.4, 0.3, network="<u>net</u>")]
    (path,) = Registry().report("html").write(HandmadeRun(rows), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "<i>" not in text
    assert "<u>" not in text
    assert not re.search(r"""(?:src|href)="(?!#|data:)""", text)
    assert "default-src &#39;none&#39;" in text
    again = Registry().report("html").write(HandmadeRun(rows), tmp_path / "again")[0].read_text(encoding="utf-8")
    assert again == text


def test_a_large_report_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oodbench.reports.html.page.LARGEST", 1000)
    files = Registry().report("html").write(HandmadeRun(ROWS), tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        "report/index.html", "report/frames/0.js", "report/frames/1.js", "report/frames/2.js",
    ]  # fmt: skip
    assert files[1].read_text().startswith('oodbenchFrame(0, {"photograph":"data:image/webp;base64,')


def test_a_full_disk_for_temporary_files_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    Registry().report("html").write(HandmadeRun(ROWS), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: open("/dev/full", "w+b"))  # noqa: A006, SIM115
    with pytest.raises(RunFolderError, match=f"{tmp_path}: can't be written"):
        Registry().report("html").write(HandmadeRun(ROWS), tmp_path)


class WithoutMaps(HandmadeRun):
    """A run that stores counts in bins and small pictures, and maps of some frames only."""

    mapped: tuple[str, ...] = ()

    def score(self, result: Result, frame: str) -> ScoreMap:
        if frame not in self.mapped:
            raise NotStoredError(f"{frame}: not stored", "Run again with --keep-scores all.")
        return super().score(result, frame)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("method", ["msp", "knn"])  # with thresholds of a breakdown, and without
def test_counts_of_a_run_without_maps_are_those_of_its_maps(calibrated: bool, method: str) -> None:
    run, whole = (kind([make_result(method, 0.2, 0.5)], calibrated) for kind in (WithoutMaps, HandmadeRun))
    (scorer,) = collect_scorers(run, "road-anomaly")
    labels = run.labels("road-anomaly", "a")
    assert labels is not None
    _, expected = scorer.levels.of(whole.score(run.results[0], "a"), labels)
    assert scorer.counts is not None
    assert scorer.counts.shape == (3, 2, 256)
    assert np.array_equal(scorer.counts[1], expected)
    assert scorer.operating[0].name == ("f1" if method == "knn" else "calibrated" if calibrated else "test")
    assert len(scorer.levels.edges) > 10


def test_small_pictures_stand_for_maps_and_crops_are_missing() -> None:
    run = WithoutMaps(ROWS[:2])
    kept: list[dict[str, Any]] = []

    def keep(pictures: dict[str, Any]) -> int:
        kept.append(pictures)
        return len(kept) - 1

    data = collect_benchmark(run, "road-anomaly", keep)
    assert data["maps"] == [[0, 0, 0]] * 2
    assert data["stored"] == [[1, 1, 1]] * 2
    assert data["worst"] == [{"objects": [], "alarms": []}] * 2
    for uri in kept[0]["maps"]:
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
            assert picture.size == (40, 20)
    run.mapped = ("a",)
    data = collect_benchmark(run, "road-anomaly", keep)
    assert data["maps"] == [[1, 0, 0]] * 2
    assert data["stored"] == [[1, 1, 1]] * 2
    assert {region["frame"] for worst in data["worst"] for regions in worst.values() for region in regions} == {0}
    assert not np.frombuffer(base64.b64decode(data["overlaps"]), np.uint32).reshape(3, -1)[1:].any()


def test_the_page_of_a_run_without_maps_or_counts_has_no_methods(tmp_path: Path) -> None:
    class Empty(WithoutMaps):
        def binned_scores(self, result: Result) -> None:
            return None

    (page,) = Registry().report("html").write(Empty(ROWS), tmp_path)
    assert '"methods":[]' in page.read_text(encoding="utf-8")
