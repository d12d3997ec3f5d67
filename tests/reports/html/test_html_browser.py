"""The page in a real browser: controls, values compared with the stored scores, requests and texts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from oodbench.contracts import Requirements, Result
from oodbench.registry import Registry
from oodbench.runs.load import load
from oodbench.runs.run import Run
from oodbench.testing.fake_run import HandmadeRun, make_result
from oodbench.workflows.run import run
from tests.helpers.browser import Page, browser
from tests.helpers.files import write_cityscapes, write_road_anomaly
from tests.helpers.html_rates import assert_rates

NAME = "</script><script>document.title = 'taken'</script><img src=x onerror=document.title='taken'>"


class Named(HandmadeRun):
    """A run whose frames have HTML in their names."""

    def frames(self, benchmark: str) -> list[str]:
        return ["a", NAME, "c"]

    def requirements(self, row: Result) -> Requirements:
        """Return requirements; one method uses out-of-distribution data."""
        return Requirements(retraining=False, extra_network=False, ood_data=row.method == "knn")


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(open_browser: Page) -> Iterator[Page]:
    """Open a window of usual size; assert at the end that there were no console messages and no requests."""
    open_browser.size(1280, 900)
    open_browser.requests()
    yield open_browser
    assert open_browser.complaints() == []
    assert open_browser.requests() == []


@pytest.fixture(scope="module")
def made(network_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Write the page of three frames and three methods."""
    folder = tmp_path_factory.mktemp("made")
    write_road_anomaly(folder / "RoadAnomaly_jpg")
    write_cityscapes(folder / "cityscapes")
    return run(
        models=[network_file], data=[folder], benchmarks=["road-anomaly"], methods=["msp", "energy", "knn"],
        out=folder / "run", stop_after="evaluate",
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(made: Run) -> Path:
    (path,) = made.report("html")
    return path


def write_handmade_page(folder: Path, **changes: Any) -> Path:
    rows = [
        make_result("msp", 0.2, 0.5, label="<b>MSP</b>"),
        make_result("knn", 0.4, 0.3),
        make_result("energy", 0.1, 0.7),
    ]
    return Registry().report("html").write(Named(rows, **changes), folder)[0]


def test_the_slider_shows_the_values_of_the_stored_scores(page: Page, made: Run, file: Path) -> None:
    page.open(file)
    rows = {row.label: row for row in made.results}
    top = page.run("return method().edges.length")
    assert_rates(page, made, rows, [1, top // 3, top // 2, top - 2])
    page.click("#next")
    page.run("document.querySelectorAll('#rates input')[2].click()")
    page.until("shown.frame === benchmark().frames[1]")
    assert_rates(page, made, rows, [page.run("return method().edges.length") // 2])


def test_named_thresholds_give_the_numbers_of_the_table(page: Page, made: Run, file: Path) -> None:
    page.open(file)
    page.click("#presets button[value=test]")
    shown = page.run("return benchmark().methods.map((one, i) => counts().at(i, null, chosen.level[i]).fpr)")
    assert shown == [pytest.approx(row.metrics["FPR95"], abs=1e-12) for row in made.results]
    assert page.run("return document.querySelector('#presets button[value=test]').ariaPressed") == "true"


def test_the_slider_recolours_the_map(page: Page, file: Path) -> None:
    page.open(file)
    coloured = """
      const canvas = document.querySelector("#pane-right canvas");
      const copy = element("canvas", { width: canvas.width, height: canvas.height });
      const context = copy.getContext("2d", { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      let coloured = 0;
      for (let i = 0; i < data.length; i += 4) {
        coloured += data[i] === data[i + 1] && data[i + 2] === data[i] + 4 ? 0 : 1;
      }
      const above = shown.maps[chosen.method].bytes.filter((own) => own >= chosen.level[chosen.method]).length;
      return [coloured, above];
    """
    seen = []
    levels = page.run("return [...new Set(shown.maps[chosen.method].bytes)].sort((a, b) => a - b)")
    for share in (0.1, 0.5, 0.9):
        page.set("#threshold", levels[int(share * len(levels))])
        found, above = page.run(coloured)
        assert found == above
        seen.append(found)
    assert seen == sorted(set(seen), reverse=True)


def test_the_other_slider_uncovers_the_layer_below(page: Page, file: Path) -> None:
    page.open(file)
    where = "return getComputedStyle(document.getElementById('pane-left')).clipPath"
    page.set("#wipe", 25)
    assert page.run(where) == "inset(0px 75% 0px 0px)"
    page.press("#wipe", Keys.ARROW_RIGHT)
    assert page.run(where) == "inset(0px 74.5% 0px 0px)"
    page.set("#left", "label", "change")
    assert not page.run("return document.querySelector('#pane-left canvas').hidden")
    assert page.run("return document.querySelector('#pane-left img').alt").startswith("label of ")


def test_the_table_is_sorted_and_shows_the_order(page: Page, tmp_path: Path) -> None:
    page.open(write_handmade_page(tmp_path))
    head = "table.comparison thead th:nth-child(2)"
    names = "table.comparison tbody th"
    assert page.texts(names) == ["<b>MSP</b>", "KNN", "ENERGY"]
    page.click(f"{head} button")
    assert page.texts(names) == ["KNN", "<b>MSP</b>", "ENERGY"]
    assert page.run(f"return document.querySelector('{head}').ariaSort") == "descending"
    page.press(f"{head} button", Keys.ENTER)
    assert page.texts(names) == ["ENERGY", "<b>MSP</b>", "KNN"]
    assert page.run(f"return document.querySelector('{head}').ariaSort") == "ascending"


def test_the_filter_hides_rows_and_updates_the_marks(page: Page, tmp_path: Path) -> None:
    page.open(write_handmade_page(tmp_path))
    marks = "return [...document.querySelectorAll('td[data-metric=AP]')].map((one) => one.className.split(' ').pop())"
    assert page.run(marks) == ["tied", "best", "metric"]
    page.click("#filter input[value='OoD data']")
    assert page.texts("table.comparison tbody th") == ["<b>MSP</b>", "ENERGY"]
    assert page.run(marks) == ["best", "metric", "tied"]


def test_frames_are_filtered_by_name_and_sorted(page: Page, made: Run, file: Path) -> None:
    page.open(file)
    page.press("#find", "CARDBOARD")
    assert len(page.texts("#strip li")) == 1
    assert page.texts("#found") == ["1 of 3 frames"]
    page.set("#find", "")
    page.set("#order", "false", "change")
    shown = page.run(
        "return [...document.querySelectorAll('#strip li')].map((one) =>"
        "counts().at(chosen.method, Number(one.dataset.frame), chosen.level[chosen.method]).wrong)"
    )
    assert shown == sorted(shown, reverse=True)
    page.press("#strip li:first-child button", Keys.ENTER, Keys.ARROW_RIGHT)
    second = page.run("return Number(document.querySelectorAll('#strip li')[1].dataset.frame)")
    assert page.run("return chosen.frame") == second


def test_a_name_full_of_html_stays_text(page: Page, tmp_path: Path) -> None:
    page.open(write_handmade_page(tmp_path))
    page.run("goTo(1)")
    page.until("shown.frame === benchmark().frames[1]")
    assert page.texts("#frame-name b") == [NAME]
    assert page.driver.title == "nowhere – oodbench"
    assert page.run("return document.querySelectorAll('#strip img, #strip .name').length") == 6


def test_the_keyboard_reaches_all_controls(page: Page, file: Path) -> None:
    page.open(file)
    reached = set()
    page.press("body")
    for _ in range(70):
        page.press_on(Keys.TAB)
        name, outlined = page.run(
            "const one = document.activeElement;"
            "return [one.id || one.name || one.parentElement.id, getComputedStyle(one).outlineStyle]"
        )
        reached.add(name)
        # These controls are invisible: a segment or the line between two layers represents them.
        assert outlined != "none" or name in ("", "benchmark", "mode", "wipe"), name
    assert {"benchmark", "wipe", "threshold", "presets", "method", "mode", "find", "order", "left", "next"} <= reached
    before = page.run("return chosen.level[chosen.method]")
    page.press("#threshold", Keys.ARROW_LEFT)
    assert page.run("return chosen.level[chosen.method]") == before - 1


def test_a_number_links_to_its_provenance(page: Page, made: Run, file: Path) -> None:
    page.open(file)
    page.click("td[data-metric=AP] a")
    page.until("document.querySelector('details[open]')")
    (shown,) = page.texts("details[open]")
    assert made.results[0].digests["scores"] in shown
    assert "hermannsblum/fishyscapes" in shown


def test_worst_cases_and_disagreements_link_to_their_frame(page: Page, file: Path) -> None:
    page.open(file)
    assert len(page.texts("#worst-cases h3")) == 3
    page.run("document.querySelectorAll('#worst-cases ol')[1].querySelector('button').click()")
    region = page.run("return benchmark().worst[chosen.method].objects[0]")
    assert page.run("return chosen.frame") == region["frame"]
    page.run("document.querySelector('#differ-frames button').click()")
    assert page.run("return [layers.left, layers.right]") == page.run(
        "return [byId('differ-first').value, byId('differ-second').value]"
    )


@pytest.mark.parametrize(("calibrated", "labelled"), [(False, True), (True, False)])
def test_a_run_without_calibration_or_labels_opens(
    page: Page, tmp_path: Path, calibrated: bool, labelled: bool
) -> None:
    page.open(write_handmade_page(tmp_path, calibrated=calibrated, labelled=labelled))
    page.set("#threshold", 30)
    assert page.run("return document.querySelector('#pane-right canvas').checkVisibility()")


def test_a_large_page_stores_its_frames_in_separate_files(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oodbench.reports.html.page.LARGEST", 1000)
    path = write_handmade_page(tmp_path)
    assert path == tmp_path / "report" / "index.html"
    page.open(path)
    page.click("#next")
    page.until("shown.frame === benchmark().frames[1]")
    asked = page.requests()
    assert [address.rsplit("/", 1)[1] for address in asked] == ["0.js", "1.js"]


def copy_without(made: Run, out: Path, *folders: str) -> Path:
    """Copy the run without some of its folders, write its page, and return the page."""
    shutil.copytree(made.folder, out, ignore=shutil.ignore_patterns(*folders))
    (path,) = load(out).report("html")
    return path


def test_without_scores_and_sketches_the_page_has_only_tables(page: Page, made: Run, tmp_path: Path) -> None:
    path = copy_without(made, tmp_path / "run", "scores", "sketches")
    page.driver.get(path.as_uri())
    assert len(page.texts("#unstored")) == 1
    assert page.texts("#frames, #curves, #worst, #differ") == []
    assert len(page.texts("table.comparison tbody tr")) == 3


def test_without_score_maps_the_page_has_exact_curves_and_rates(page: Page, made: Run, tmp_path: Path) -> None:
    page.open(copy_without(made, tmp_path / "run", "scores"))
    assert page.texts("#unstored, #coverage") == [""]
    assert len(page.texts("#plot-pr path.curve, #plot-roc path.curve")) == 6
    rows = {row.label: row for row in made.results}
    assert_rates(
        page, made, rows, [1, page.run("return topLevel(method()) >> 1"), page.run("return topLevel(method())")]
    )
    assert "The score maps of 3 of the 3 frames are not stored" in page.texts("#worst-cases")[0]
    assert page.texts("#worst-cases canvas") == []
    assert "are not compared" in page.texts("#differ-about")[0]


def test_frames_without_a_map_have_rates_and_no_picture(page: Page, made: Run, tmp_path: Path) -> None:
    shutil.copytree(made.folder, tmp_path / "run")
    frame = made.record.benchmarks[0].frames[1].key
    for stored in (tmp_path / "run" / "scores").glob(f"*/{frame}.npy"):
        stored.unlink()
    (path,) = load(tmp_path / "run").report("html")
    page.open(path)
    page.click("#next")
    page.until("shown.frame === benchmark().frames[1]")
    assert page.texts("#rates tbody tr:first-child td")[1] != "–"
    assert page.texts("#multiples .rate")[0] == "not stored"
    assert "The score maps of 1 of the 3 frames are not stored" in page.texts("#worst-cases")[0]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_element_is_wider_than_the_window(page: Page, file: Path, width: int, dark: bool) -> None:
    page.size(width, 800, dark)
    page.open(file)
    assert page.run("return document.documentElement.scrollWidth") <= width
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(19, 21, 24)" if dark else "rgb(252, 252, 250)")


def test_the_page_may_not_make_requests(open_browser: Page, file: Path) -> None:
    open_browser.open(file)
    open_browser.run("new Image().src = 'http://127.0.0.1:9/picture.png'")
    assert open_browser.run("return fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    said = open_browser.complaints()
    assert len(said) >= 2
    assert all("Content Security Policy" in one for one in said)
