"""Texts of tables and contents of figures."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.contracts import Calibration, Intervals
from oodbench.registry import Registry
from oodbench.reports.figures.heatmaps import draw_heatmaps, overlay_labels
from oodbench.reports.tables.build import results_tables
from oodbench.testing import ReportContract
from oodbench.testing.fake_run import LEVELS, HandmadeRun, make_result
from oodbench.visualization.colormap import compute_colour_position

REGISTRY = Registry()

ROWS = [
    make_result("msp", 0.2, 0.5),
    make_result("knn", 0.4, 0.3),
    make_result("energy", 0.30001, 0.3),
    make_result("entropy", 0.3, None),
]


class TestEveryReport(ReportContract):
    @pytest.fixture(autouse=True, params=REGISTRY.names("reports"))
    def _each(self, request: pytest.FixtureRequest) -> None:
        self.name = request.param


def test_ranks_follow_the_printed_values_with_ties() -> None:
    (table,) = results_tables(HandmadeRun(ROWS))
    ranks = table.ranks()
    assert ranks[1, 0] == 1
    assert (ranks[2, 0], ranks[3, 0]) == (2, 2)
    assert (ranks[1, 1], ranks[2, 1], ranks[0, 1]) == (1, 1, 2)
    assert (3, 1) not in ranks


def test_a_single_result_is_neither_best_nor_second() -> None:
    (table,) = results_tables(HandmadeRun(ROWS[:1]))
    assert table.ranks() == {}


def test_each_scoring_resolution_and_protocol_has_a_separate_table() -> None:
    other = make_result("msp", 0.9, 0.1, scoring={"upsample": "score", "resize": "bilinear"})
    aligned = make_result("msp", 0.9, 0.1, scoring={"upsample": "logits", "resize": "bilinear-aligned"})
    foreign = make_result("msp", 0.9, 0.1, protocol={"name": "caos"})
    assert len(results_tables(HandmadeRun([*ROWS, other, aligned, foreign]))) == 4


@pytest.mark.parametrize("name", ["terminal", "markdown", "latex", "intervals"])
def test_each_table_has_and_names_one_protocol(name: str) -> None:
    first, second = make_result("msp", 0.1234, 0.5), make_result("msp", 0.5678, 0.5, protocol={"name": "caos"})
    third = make_result("msp", 0.9012, 0.5, scoring={"upsample": "score", "resize": "bilinear-aligned"})
    text = REGISTRY.report(name).text(HandmadeRun([first, second, third]))
    order = re.findall(
        r"12\.34|56\.78|90\.12|protocol \w+|network's grid|label resolution and|corner pixels aligned", text
    )
    captions = [["label resolution and", "protocol pooled"], ["label resolution and", "protocol caos"]]
    captions += [["network's grid", "corner pixels aligned", "protocol pooled"]]
    values = ["12.34", "56.78", "90.12"]
    above = name == "latex"  # captions are comments before the table
    assert order == [
        part for caption, value in zip(captions, values, strict=True)
        for part in ([*caption, value] if above else [value, *caption])
    ]  # fmt: skip


def test_each_line_of_the_csv_has_protocol_and_scoring_resolution() -> None:
    rows = [make_result("msp", 0.1, 0.5), make_result("msp", 0.2, 0.5, protocol={"name": "caos"})]
    lines = list(csv.DictReader(io.StringIO(REGISTRY.report("csv").text(HandmadeRun(rows)))))
    assert [(line["AP"], line["protocol"], line["scoring"]) for line in lines] == [
        ("0.1", "pooled", "logits"), ("0.2", "caos", "logits"),
    ]  # fmt: skip


def test_a_method_under_two_protocols_is_plotted_once(tmp_path: Path) -> None:
    both = [make_result("msp", 0.1, 0.5), make_result("msp", 0.2, 0.5, protocol={"name": "caos"})]
    drawn = []
    for folder, rows in {"one": both[:1], "two": both}.items():
        png, _ = REGISTRY.report("heatmaps").write(HandmadeRun(rows), tmp_path / folder)
        drawn.append(png.read_bytes())
    assert drawn[0] == drawn[1]


QUALITY = {"miou": 0.612345, "ece": 0.0412, "dataset": "cityscapes", "split": "val", "frames": 7}


def test_closed_set_quality_is_next_to_the_anomaly_metrics() -> None:
    rows = [*ROWS[:2], make_result("msp", 0.5, 0.5, network="other"), make_result("msp", 0.1, 0.5, network="blind")]
    view = HandmadeRun(rows, quality={"net": QUALITY, "other": QUALITY | {"miou": 0.5, "ece": None}})
    (table,) = results_tables(view)
    assert [(column.frames, column.spec.name) for column in table.columns[:3]] == [
        ("cityscapes val", "mIoU"), ("cityscapes val", "ECE"), ("road-anomaly", "AP"),
    ]  # fmt: skip
    assert [[cell.value for cell in line.cells[:2]] for line in table.lines] == [
        [0.612345, 0.0412], [0.612345, 0.0412], [0.5, None], [None, None],
    ]  # fmt: skip
    assert [[cell.text for cell in line.cells[:2]] for line in table.lines[1:3]] == [["61.23", "4.12"], ["50.00", ""]]
    assert {place: rank for place, rank in table.ranks().items() if place[1] < 2} == {(0, 0): 1, (1, 0): 1, (2, 0): 2}
    assert "Frames: cityscapes val 7, road-anomaly 3." in table.notes
    lines = REGISTRY.report("terminal").text(view).splitlines()
    assert lines[0].split() == ["cityscapes", "val", "road-anomaly"]
    assert lines[1].split() == ["Method", "Network", "mIoU", "↑", "ECE", "↓", "AP", "↑", "FPR95", "↓"]


def test_plain_text_table() -> None:
    text = REGISTRY.report("terminal").text(HandmadeRun(ROWS))
    lines = text.splitlines()
    assert lines[0].strip() == "road-anomaly"
    assert lines[1].split() == ["Method", "AP", "↑", "FPR95", "↓"]
    assert ["KNN", "40.00*", "30.00*"] in [line.split() for line in lines]
    assert ["ENTROPY", "30.00+", "-"] in [line.split() for line in lines]
    assert "road-anomaly: 3 of 60 frames" in lines
    assert "\x1b" not in text


def test_markdown_table() -> None:
    text = REGISTRY.report("markdown").text(HandmadeRun(ROWS))
    assert ["KNN", "**40.00**", "**30.00**"] in [line.replace("|", " ").split() for line in text.splitlines()]
    assert "<u>30.00</u>" in text
    assert "protocol pooled" in text


def test_latex_escapes_and_marks() -> None:
    rows = [make_result("knn", 0.4, 0.3, label="kNN (bank_size=5)"), *ROWS[:1]]
    text = REGISTRY.report("latex").text(HandmadeRun(rows))
    assert r"\toprule" in text
    assert r"kNN (bank\_size=5) & \textbf{40.00} & \textbf{30.00} \\" in text
    assert r"\underline{20.00}" in text
    assert r"\multicolumn{2}{c}{road-anomaly \& \textless{}title\textgreater{}, 3 of 60 frames}" in text
    quality = {"net": {"dataset": "cityscapes", "split": "val", "miou": 0.5, "ece": 0.1, "frames": 1}}
    complete = make_result("msp", 0.2, 0.5, counts={"frames": 3, "expected_frames": 3})
    text = REGISTRY.report("latex").text(HandmadeRun([complete], quality=quality))
    assert r"\multicolumn{2}{c}{road-anomaly \& \textless{}title\textgreater{}}" in text
    assert "{Cityscapes val, 1 frame}" in text


def make_intervals(**bounds: tuple[float, float]) -> Intervals:
    return Intervals(
        level=0.95, method="percentile", unit="frames", units=60, resamples=2000, bounds=bounds,
        undefined={"FPR95": "a reason"},
    )  # fmt: skip


def test_intervals_are_next_to_values_in_markdown_and_below_in_latex() -> None:
    rows = [make_result("knn", 0.4, 0.3, intervals=make_intervals(AP=(0.3514, 0.46))), make_result("msp", 0.2, 0.5)]
    markdown = REGISTRY.report("markdown").text(HandmadeRun(rows))
    assert "**40.00** [35.1, 46.0] |" in markdown
    assert "<u>20.00</u> |" in markdown
    assert "- 95 % intervals (percentile, 2000 resamples of frames)." in markdown
    assert "- road-anomaly: no interval of FPR95: a reason" in markdown
    latex = REGISTRY.report("latex").text(HandmadeRun(rows))
    assert r"KNN & \shortstack{\textbf{40.00}\\{\tiny [35.1, 46.0]}} & \textbf{30.00} \\" in latex
    assert r"MSP & \underline{20.00} & \underline{50.00} \\" in latex


def test_intervals_in_text_fit_a_terminal() -> None:
    rows = [
        make_result("knn", 0.4, 0.3, intervals=make_intervals(AP=(0.3514, 0.46))),
        make_result("msp", 0.2, None, "road-anomaly-21"),
    ]
    text = REGISTRY.report("intervals").text(HandmadeRun(rows))
    lines = text.splitlines()
    assert lines[0] == "road-anomaly"
    assert lines[1].split() == ["Method", "AP", "↑", "FPR95", "↓"]
    assert lines[3].split() == ["KNN", "40.00", "[35.1,", "46.0]", "30.00"]
    assert "road-anomaly-21" in lines
    assert "road-anomaly: no interval of FPR95: a reason" in lines


def test_csv_has_the_ends_of_intervals() -> None:
    rows = [make_result("knn", 0.4, 0.3, intervals=make_intervals(AP=(0.3514, 0.46))), make_result("msp", 0.2, 0.5)]
    first, second = csv.DictReader(io.StringIO(REGISTRY.report("csv").text(HandmadeRun(rows))))
    assert (float(first["AP_low"]), float(first["AP_high"])) == (0.3514, 0.46)
    assert (first["interval_method"], first["interval_unit"]) == ("percentile", "frames")
    assert second["AP_low"] == ""


def test_breakdowns_in_text() -> None:
    text = REGISTRY.report("breakdown").text(HandmadeRun(ROWS[:2]))
    lines = text.splitlines()
    assert lines[0] == "road-anomaly, protocol pooled, network net"
    assert ["MSP", "1", "25.0", "95.0", "2", "12.5", "50.0"] in [line.split() for line in lines]
    assert ["MSP", "25.0", "/", "95.0", "/", "50.0"] in [line.split() for line in lines]
    assert ["MSP", "-", "/", "95.0", "/", "50.0"] in [line.split() for line in lines]
    assert ["MSP", "100.0", "/", "100.0"] in [line.split() for line in lines]
    assert "100 % of pixels, 3 regions" in text
    assert "road-anomaly, protocol pooled, network net: 1 results have no breakdown." in lines


def test_csv_keeps_all_digits() -> None:
    third = make_result("msp", 1 / 3, 0.5)
    (line,) = csv.DictReader(io.StringIO(REGISTRY.report("csv").text(HandmadeRun([third]))))
    assert float(line["AP"]) == 1 / 3
    assert line["frames"] == "3"


def test_two_networks_are_distinguished(tmp_path: Path) -> None:
    view = HandmadeRun([*ROWS, make_result("msp", 0.5, 0.5, network="../other")])
    assert "../other" in REGISTRY.report("terminal").text(view)
    names = {path.name for path in REGISTRY.report("heatmaps").write(view, tmp_path)}
    assert names == {f"heatmaps-road-anomaly-{n}.{ending}" for n in (1, 2) for ending in ("png", "pdf")}


# Figures


def test_the_colour_shows_the_rank_of_a_score() -> None:
    calibration = Calibration(LEVELS, np.arange(7, dtype=np.float32), "")
    score = np.array([[-5.0, 0.0, 2.0, 3.0, 4.0, 5.0, 99.0]], np.float32)
    position = compute_colour_position(score, calibration, None)
    assert np.allclose(position, [[0, 0, 1, 2, 3, 4, 4]], atol=1e-3)


def test_the_colour_never_falls_as_the_score_rises() -> None:
    score = np.sort(np.random.default_rng(0).normal(2, 3, (1, 500))).astype(np.float32)
    for calibration in (Calibration(LEVELS, np.array([0, 0, 0, 1, 1, 2, 3], np.float32), ""), None):
        assert (np.diff(compute_colour_position(score, calibration, (0.0, 4.0))) >= 0).all()


def test_the_overlay_shows_anomaly_and_void() -> None:
    view = HandmadeRun(ROWS)
    labels = view.labels("", "")
    assert labels is not None
    picture = overlay_labels(view.image("", ""), labels)
    normal, anomalous, void = picture[0, 0], picture[12, 25], picture[38, 0]
    assert anomalous[0] > anomalous[2]
    assert void.mean() < normal.mean() < view.image("", "").mean()


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_figure_has_one_panel_per_frame_and_map(tmp_path: Path, calibrated: bool) -> None:
    view = HandmadeRun(ROWS, calibrated)
    figure = draw_heatmaps(view, "road-anomaly", ROWS, view.figure_frames("road-anomaly"))
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 3 * (2 + len(ROWS))
    assert [axes.get_title() for axes in panels[:6]] == ["Image", "Label", "MSP", "KNN", "ENERGY", "ENTROPY"]
    # All maps have the same scale.
    assert {axes.images[0].get_clim() for axes in panels[2:6]} == {(0.0, 4.0)}
    words = " ".join(text.get_text() for text in figure.texts)
    assert ("Cityscapes val, 1 frame" in words) == calibrated
    figure.savefig(tmp_path / "figure.png", dpi=100)
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB"))
    assert pixels.std() > 20
