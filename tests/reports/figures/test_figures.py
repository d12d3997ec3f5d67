"""Contents of figures: axes, pixels and files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from oodbench.contracts import Intervals, RunView
from oodbench.errors import NotStoredError
from oodbench.registry import Registry
from oodbench.reports.figures import accuracy_cost, histograms, qualitative, segmentation
from oodbench.reports.figures.heatmaps import overlay_labels
from oodbench.reports.figures.style import apply_rc_style, assign_styles, count_legend_columns
from oodbench.testing.fake_run import HandmadeRun, make_result
from oodbench.types import AnomalyLabels, ClassSet, ScoreMap, SemanticLabels

REGISTRY = Registry()
FIGURES = [name for name in REGISTRY.names("reports") if REGISTRY.report(name).card.figure]
ROWS = [make_result("msp", 0.2, 0.5), make_result("gmmseg", 0.4, 0.3)]
FRAMES = ["a", "<b>&_%", "c"]
RNG = np.random.default_rng(0)
SCORES = {name: RNG.normal(size=(3, 40, 80)).astype(np.float32).round(1) for name in ("msp", "gmmseg")}
LABELS = RNG.choice(np.array([0, 1, 255], np.uint8), (3, 40, 80), p=[0.8, 0.15, 0.05])


class Noisy(HandmadeRun):
    """A run with ties, anomalies and void at random pixels."""

    def score(self, row: Any, frame: str) -> ScoreMap:
        return SCORES[row.method][FRAMES.index(frame)] + (LABELS[FRAMES.index(frame)] == 1)

    def labels(self, benchmark: str, frame: str) -> AnomalyLabels | None:
        return AnomalyLabels(LABELS[FRAMES.index(frame)]) if self.labelled else None


def pool_pixels(method: str) -> tuple[Any, Any]:
    """Return labels and scores of all valid pixels."""
    valid = LABELS != 255
    return LABELS[valid], (SCORES[method] + (LABELS == 1))[valid]


def read_legends(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def read_panel(figure: Figure, index: int) -> Any:
    return [axes for axes in figure.axes if axes.images][index].images[0].get_array()


def draw_figure(name: str, view: RunView) -> Figure:
    with apply_rc_style():
        report: Any = REGISTRY.report(name)
        return report.draw(view, "road-anomaly", view.results)


# Files


@pytest.mark.parametrize("name", FIGURES)
def test_pdf_has_its_fonts_and_png_is_as_wide_as_a_column_or_a_page(tmp_path: Path, name: str) -> None:
    view = HandmadeRun([make_result("msp", 0.2, 0.5, network=r"_$\frac{a_1}$")])
    picture_file, pdf_file = REGISTRY.report(name).write(view, tmp_path)
    assert (picture_file.suffix, pdf_file.suffix) == (".png", ".pdf")
    pdf = pdf_file.read_bytes()
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    with Image.open(picture_file) as picture:
        assert picture.width == (2148 if name == "heatmaps" else 1050)
    REGISTRY.report(name).write(view, tmp_path)
    assert pdf_file.read_bytes() == pdf


def test_a_method_has_one_colour_and_a_network_one_line_style() -> None:
    other = [make_result("msp", 0.2, 0.5, network="other"), make_result("msp", 0.2, 0.5, "road-anomaly-21")]
    found = assign_styles([*ROWS, *other])
    msp, gmmseg, elsewhere = (found[who] for who in (("MSP", "net"), ("GMMSEG", "net"), ("MSP", "other")))
    assert msp.colour == elsewhere.colour != gmmseg.colour
    assert (msp.line, msp.marker) == (gmmseg.line, gmmseg.marker) != (elsewhere.line, elsewhere.marker)
    assert (msp.text, elsewhere.lines) == ("MSP, net", "MSP\nother")
    assert (
        count_legend_columns(["20.0  MSP"]),
        count_legend_columns(["22.0  GMMSeg (normalised), streets-gmmseg"]),
    ) == (2, 1)


# Panels


def test_the_qualitative_figure_has_image_label_and_one_column_per_method() -> None:
    view = HandmadeRun(ROWS)
    figure = qualitative.draw_qualitative(view, "road-anomaly", ROWS, ["c", "a"])
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == ["Image", "Label", "MSP", "GMMSEG", "", "", "", ""]
    assert figure.get_figwidth() == 3.5
    labels = view.labels("", "c")
    assert labels is not None
    image = view.image("", "c")
    expected = np.asarray(Image.fromarray(overlay_labels(image, labels)).resize((360, 180), Image.Resampling.NEAREST))
    assert np.abs(read_panel(figure, 1).astype(int) - expected).mean() < 4
    assert read_panel(figure, 2).min() == 0
    assert 3.5 < read_panel(figure, 2).max() <= 4


def test_a_figure_of_many_columns_is_page_wide_and_names_the_networks() -> None:
    rows = [*ROWS, make_result("msp", 0.2, 0.5, network="other")]
    figure = qualitative.draw_qualitative(HandmadeRun(rows), "road-anomaly", rows, ["a"])
    assert figure.get_figwidth() == 7.16
    assert figure.axes[4].get_title() == "MSP\nother"


def test_hidden_labels_are_replaced_by_predicted_classes() -> None:
    figure = qualitative.draw_qualitative(HandmadeRun(ROWS, labelled=False), "road-anomaly", ROWS, ["a"])
    assert figure.axes[1].get_title() == "Prediction"
    picture = read_panel(figure, 1)
    assert picture[20, 20].tolist() == [70, 130, 180]
    assert picture[160, 20].tolist() == [0, 0, 142]


def test_the_segmentation_figure_has_one_column_per_network_and_a_legend() -> None:
    rows = [*ROWS, make_result("msp", 0.2, 0.5, network="other")]
    figure = segmentation.draw_segmentation(HandmadeRun(rows), "road-anomaly", rows, ["a", "c"])
    assert [axes.get_title() for axes in figure.axes[:4]] == ["Image", "Label", "net", "other"]
    assert len([axes for axes in figure.axes if axes.images]) == 8
    assert [read_panel(figure, index)[160, 20].tolist() for index in (1, 2, 3)] == [
        [128, 64, 128],
        [0, 0, 142],
        [0, 0, 142],
    ]
    assert read_legends(figure) == ["road", "sky", "car", "void"]
    secret = segmentation.draw_segmentation(HandmadeRun(rows, labelled=False), "road-anomaly", rows, ["a"])
    assert [axes.get_title() for axes in secret.axes] == ["Image", "net", "other"]


def test_classes_without_a_colour_get_distinct_ones() -> None:
    many = ClassSet("many", tuple(f"class {index}" for index in range(150)))
    picture = segmentation.colour_classes(SemanticLabels(np.arange(150, dtype=np.uint8)[None], many))
    assert len(np.unique(picture[0], axis=0)) == 150


def test_predicted_classes_that_are_not_stored_are_an_error() -> None:
    class Blind(HandmadeRun):
        def prediction(self, row: Any, frame: str) -> SemanticLabels | None:
            return None

    with pytest.raises(NotStoredError, match="the classes that net predicts in a are not stored"):
        segmentation.draw_segmentation(Blind(ROWS), "road-anomaly", ROWS, ["a"])


# Curves


def test_the_area_under_the_steps_is_average_precision() -> None:
    figure = draw_figure("precision-recall", Noisy(ROWS))
    (axes,) = figure.axes
    expected = {}
    for method in SCORES:
        labels, scores = pool_pixels(method)
        expected[method] = 100 * average_precision_score(labels, scores)
        colour = assign_styles(ROWS)[method.upper(), "net"].colour
        line = next(line for line in axes.lines if line.get_drawstyle() == "steps-pre" and line.get_color() == colour)
        recall, precision = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (np.diff(recall) * precision[1:]).sum() / 100 == pytest.approx(expected[method])
    best, second = sorted(expected, key=lambda method: -expected[method])
    assert read_legends(figure) == [f"{expected[one]:.1f}  {one.upper()}" for one in (best, second)]


def test_the_roc_curve_has_its_area_and_its_dot() -> None:
    figure = draw_figure("roc", Noisy(ROWS[:1]))
    (axes,) = figure.axes
    labels, scores = pool_pixels("msp")
    line, dot = axes.lines[2], axes.lines[3]
    area = np.trapezoid(np.asarray(line.get_ydata()), np.asarray(line.get_xdata())) / 1e4
    assert area == pytest.approx(roc_auc_score(labels, scores))
    threshold = max(t for t in np.unique(scores) if (scores[labels == 1] >= t).mean() >= 0.95)
    assert np.ravel(dot.get_data()) == pytest.approx(
        [100 * (scores[labels == kind] >= threshold).mean() for kind in (0, 1)]
    )
    assert read_legends(figure) == [f"{100 * (scores[labels == 0] >= threshold).mean():.1f}  MSP"]


@pytest.mark.parametrize("name", ["precision-recall", "roc"])
def test_without_labels_there_is_no_curve(name: str) -> None:
    figure = draw_figure(name, HandmadeRun(ROWS, labelled=False))
    assert [text.get_text() for text in figure.axes[0].texts] == ["no pixel is labelled as anomalous"]
    assert not figure.legends


# Distributions and costs


def test_histograms_show_the_share_of_each_kind_of_pixel() -> None:
    view = Noisy(ROWS)
    edges, shares = histograms.compute_histogram(view, ROWS[0])
    labels, scores = pool_pixels("msp")
    for kind in (0, 1):
        values = scores[labels == kind]
        inside = [((values >= low) & (values < high)).mean() for low, high in pairwise(edges[:-1])]
        assert shares[kind][:-1] == pytest.approx(inside)
        assert 0.98 < shares[kind].sum() <= 1
    figure = histograms.draw_histograms(view, "road-anomaly", ROWS)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["MSP", "GMMSEG"]
    calibration = view.calibration(ROWS[0])
    assert calibration is not None
    assert figure.axes[0].lines[0].get_xdata() == [calibration.score_at(0.95)] * 2
    assert read_legends(figure) == ["in-distribution", "anomalous", "5 % of calibration above"]


def test_curves_without_maps_connect_exact_counts_and_name_the_bounds() -> None:
    class WithoutMaps(HandmadeRun):
        def score(self, row: Any, frame: str) -> ScoreMap:
            raise NotStoredError(f"{frame}: not stored", "Run again with --keep-scores all.")

    rows = [make_result("msp", 0.2, 0.5, brackets={"AP": (0.19999, 0.20001)}), make_result("gmmseg", 0.4, 0.3)]
    view = HandmadeRun(rows)
    frames = [(view.score(rows[0], frame), view.labels("road-anomaly", frame)) for frame in FRAMES]
    score = np.concatenate([part[labels.values < 2] for part, labels in frames if labels is not None])
    anomalous = np.concatenate([labels.values[labels.values < 2] for _, labels in frames if labels is not None]) == 1
    figure = draw_figure("precision-recall", WithoutMaps(rows))
    assert read_legends(figure) == ["40.0  GMMSEG", "[19.999, 20.001]  MSP"]
    curve = next(line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-pre")
    recall, precision = (np.asarray(values)[1:] / 100 for values in curve.get_data())
    edges = np.arange(-0.75, 5.25, 0.25)  # of equal recalls, the highest edge remains
    exact = {((score >= edge) & anomalous).sum() / anomalous.sum(): anomalous[score >= edge].mean() for edge in edges
             if (score >= edge).any()}  # fmt: skip
    assert len(recall) > 5
    for at, value in zip(recall, precision, strict=True):
        assert exact[at] == pytest.approx(value)
    assert read_legends(draw_figure("roc", WithoutMaps(rows))) == ["30.0  GMMSEG", "50.0  MSP"]

    class WithoutCounts(WithoutMaps):
        def binned_scores(self, row: Any) -> None:
            return None

    with pytest.raises(NotStoredError):
        draw_figure("roc", WithoutCounts(rows))


def test_constant_scores_have_a_histogram() -> None:
    class Flat(HandmadeRun):
        def score(self, row: Any, frame: str) -> ScoreMap:
            return np.full((40, 80), 2.5, np.float32)

    edges, shares = histograms.compute_histogram(Flat(ROWS), ROWS[0])
    assert (edges[0], edges[-1]) == (2.5, 3.5)
    assert (shares[0][0], shares[1][0]) == (1, 1)


def test_cost_is_the_time_per_frame_with_one_method() -> None:
    bounds = Intervals(
        level=0.95, method="percentile", unit="frames", units=60, resamples=2000, bounds={"AP": (0.35, 0.46)},
        undefined={},
    )  # fmt: skip
    cpu = {"processor": "A processor", "device": "cpu"}
    cost = {"forward_ms": 100.0, "summary_ms": 20.0, "score_ms": 3.0}
    rows = [
        make_result("msp", 0.2, 0.5, cost={"forward_ms": 50.0, "summary_ms": None, "score_ms": 1.0}, environment=cpu),
        make_result("gmmseg", 0.4, 0.5, cost=cost, intervals=bounds, environment=cpu),
        make_result("given", 0.9, 0.5, cost={"forward_ms": None}),
        make_result("knn", None, 0.5, cost=cost),
    ]
    assert [accuracy_cost.sum_milliseconds(one) for one in rows] == [51.0, 123.0, None, 123.0]
    figure = accuracy_cost.draw_accuracy_cost(HandmadeRun(rows), "road-anomaly", rows)
    bar, best, second = figure.axes[0].lines
    assert np.ravel(bar.get_data()).tolist() == [123.0, 123.0, 35.0, 46.0]
    assert [np.ravel(point.get_data()).tolist() for point in (best, second)] == [[123.0, 40.0], [51.0, 20.0]]
    assert read_legends(figure) == ["40.0  GMMSEG", "20.0  MSP"]
    assert figure.axes[0].get_xlabel() == "Milliseconds per frame (A processor)"
    without = accuracy_cost.draw_accuracy_cost(HandmadeRun(rows[2:]), "road-anomaly", rows[2:])
    assert [text.get_text() for text in without.axes[0].texts] == ["no cost was measured"]
