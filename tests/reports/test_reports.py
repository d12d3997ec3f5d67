"""Tables by their text, figures by their content."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from oodbench.contracts import Calibration, Row
from oodbench.registry import Registry
from oodbench.reports.heatmaps import colour_position, draw, overlay
from oodbench.reports.tables import comparison_tables
from oodbench.types import AnomalyLabels, RGBImage, ScoreMap

REGISTRY = Registry()
LEVELS = np.array([0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0])


def row(method: str, ap: float | None, fpr: float | None, benchmark: str = "road-anomaly", **changes: object) -> Row:
    content: dict[str, object] = {
        "method": method,
        "params": {},
        "label": method.upper(),
        "network": "net",
        "benchmark": benchmark,
        "layout": "official",
        "scoring": {"upsample": "logits", "resize": "bilinear"},
        "protocol": {"name": "pooled"},
        "metrics": {"AP": ap, "FPR95": fpr},
        "undefined": {} if ap is not None else {"AP": "no anomalous pixel among the valid ones"},
        "counts": {"frames": 3, "expected_frames": 60},
        "fit": {},
        "cost": {"forward_ms": 1.0},
        "environment": {},
        "seed": 0,
        "digests": {},
        "warnings": ["road-anomaly: 3 of 60 frames"],
    }
    return Row.model_validate(content | changes)


class View:
    """A run made by hand."""

    def __init__(self, rows: Sequence[Row], calibrated: bool = True) -> None:
        self.folder = Path("nowhere")
        self.rows = rows
        self.calibrated = calibrated

    def frames(self, benchmark: str) -> Sequence[str]:
        return ["a", "<b>&_%", "c"]

    def figure_frames(self, benchmark: str) -> Sequence[str]:
        return self.frames(benchmark)

    def image(self, benchmark: str, frame: str) -> RGBImage:
        return np.full((40, 80, 3), 128, np.uint8)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels:
        values = np.zeros((40, 80), np.uint8)
        values[10:20, 20:40] = 1
        values[35:] = 255
        return AnomalyLabels(values)

    def score(self, row: Row, frame: str) -> ScoreMap:
        return np.tile(np.linspace(-1, 5, 80, dtype=np.float32), (40, 1))

    def calibration(self, row: Row) -> Calibration | None:
        return (
            Calibration(LEVELS, np.arange(7, dtype=np.float32), "Cityscapes val, 1 frame") if self.calibrated else None
        )


ROWS = [row("msp", 0.2, 0.5), row("knn", 0.4, 0.3), row("energy", 0.30001, 0.3), row("entropy", 0.3, None)]


def test_ranks_go_by_what_is_printed_and_ties_share_them() -> None:
    (table,) = comparison_tables(View(ROWS))
    ranks = table.ranks()
    assert ranks[1, 0] == 1
    assert (ranks[2, 0], ranks[3, 0]) == (2, 2)
    assert (ranks[1, 1], ranks[2, 1], ranks[0, 1]) == (1, 1, 2)
    assert (3, 1) not in ranks


def test_a_single_row_is_neither_best_nor_second() -> None:
    (table,) = comparison_tables(View(ROWS[:1]))
    assert table.ranks() == {}


def test_rows_of_another_scoring_or_protocol_get_a_table_of_their_own() -> None:
    other = row("msp", 0.9, 0.1, scoring={"upsample": "score", "resize": "bilinear"})
    aligned = row("msp", 0.9, 0.1, scoring={"upsample": "logits", "resize": "bilinear-aligned"})
    foreign = row("msp", 0.9, 0.1, protocol={"name": "caos"})
    assert len(comparison_tables(View([*ROWS, other, aligned, foreign]))) == 4


def test_plain_text() -> None:
    text = REGISTRY.report("terminal").text(View(ROWS))
    lines = text.splitlines()
    assert lines[0].strip() == "road-anomaly"
    assert lines[1].split() == ["Method", "AP", "↑", "FPR95", "↓"]
    assert ["KNN", "40.00*", "30.00*"] in [line.split() for line in lines]
    assert ["ENTROPY", "30.00+", "-"] in [line.split() for line in lines]
    assert "road-anomaly: 3 of 60 frames" in lines
    assert "\x1b" not in text


def test_markdown() -> None:
    text = REGISTRY.report("markdown").text(View(ROWS))
    assert ["KNN", "**40.00**", "**30.00**"] in [line.replace("|", " ").split() for line in text.splitlines()]
    assert "<u>30.00</u>" in text
    assert "protocol pooled" in text


def test_latex_escapes_and_marks() -> None:
    rows = [row("knn", 0.4, 0.3, label="kNN (bank_size=5)"), *ROWS[:1]]
    text = REGISTRY.report("latex").text(View(rows))
    assert r"\toprule" in text
    assert r"kNN (bank\_size=5) & \textbf{40.00} & \textbf{30.00} \\" in text
    assert r"\underline{20.00}" in text
    assert r"\multicolumn{2}{c}{road-anomaly}" in text


def test_csv_keeps_all_digits() -> None:
    third = row("msp", 1 / 3, 0.5)
    (line,) = csv.DictReader(io.StringIO(REGISTRY.report("csv").text(View([third]))))
    assert float(line["AP"]) == 1 / 3
    assert line["frames"] == "3"


def test_two_networks_are_told_apart(tmp_path: Path) -> None:
    view = View([*ROWS, row("msp", 0.5, 0.5, network="../other")])
    assert "../other" in REGISTRY.report("terminal").text(view)
    names = {path.name for path in REGISTRY.report("heatmaps").write(view, tmp_path)}
    assert names == {f"heatmaps-road-anomaly-{n}.{ending}" for n in (1, 2) for ending in ("png", "pdf")}


# figures


def test_the_colour_says_how_rare_a_score_is() -> None:
    calibration = Calibration(LEVELS, np.arange(7, dtype=np.float32), "")
    score = np.array([[-5.0, 0.0, 2.0, 3.0, 4.0, 5.0, 99.0]], np.float32)
    position = colour_position(score, calibration, None)
    assert np.allclose(position, [[0, 0, 1, 2, 3, 4, 4]], atol=1e-3)


def test_the_colour_never_falls_as_the_score_rises() -> None:
    score = np.sort(np.random.default_rng(0).normal(2, 3, (1, 500))).astype(np.float32)
    for calibration in (Calibration(LEVELS, np.array([0, 0, 0, 1, 1, 2, 3], np.float32), ""), None):
        assert (np.diff(colour_position(score, calibration, (0.0, 4.0))) >= 0).all()


def test_the_overlay_shows_anomaly_and_void() -> None:
    view = View(ROWS)
    picture = overlay(view.image("", ""), view.labels("", ""))
    normal, anomalous, void = picture[0, 0], picture[12, 25], picture[38, 0]
    assert anomalous[0] > anomalous[2]
    assert void.mean() < normal.mean() < view.image("", "").mean()


@pytest.mark.parametrize("calibrated", [True, False])
def test_the_figure_holds_a_panel_for_each_frame_and_map(tmp_path: Path, calibrated: bool) -> None:
    view = View(ROWS, calibrated)
    figure = draw(view, "road-anomaly", ROWS, view.figure_frames("road-anomaly"))
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 3 * (2 + len(ROWS))
    assert [axes.get_title() for axes in panels[:6]] == ["Image", "Label", "MSP", "KNN", "ENERGY", "ENTROPY"]
    # Every map has the one scale.
    assert {axes.images[0].get_clim() for axes in panels[2:6]} == {(0.0, 4.0)}
    words = " ".join(text.get_text() for text in figure.texts)
    assert ("Cityscapes val, 1 frame" in words) == calibrated
    figure.savefig(tmp_path / "figure.png", dpi=100)
    pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("RGB"))
    assert pixels.std() > 20
