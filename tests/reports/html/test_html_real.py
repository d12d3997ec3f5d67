"""The page of a real network on real photographs: its sliders show the values of the stored scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from oodbench.workflows.run import run
from tests.helpers.browser import browser
from tests.helpers.html_rates import assert_rates

CARD = Path(__file__).parents[3] / "docs" / "examples" / "erfnet-cityscapes.toml"
METHODS = ["msp", "max-logit", "entropy", "energy", "knn", "gmm-posthoc"]


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_of_six_methods_on_photographs(real: Path, tmp_path: Path) -> None:
    made = run(
        models=[real / "models" / "erfnet-cityscapes.onnx"], model_cards=[CARD], benchmarks=["road-anomaly-21"],
        methods=METHODS, data=[real], id_data=[real / "cityscapes"], out=tmp_path / "run", stop_after="evaluate",
    )  # fmt: skip
    (path,) = made.report("html")
    with browser(tmp_path / "profile") as page:
        page.size(1280, 900)
        page.requests()
        page.open(path)
        rows = {row.label: row for row in made.results}
        top = page.run("return method().edges.length")
        assert_rates(page, made, rows, [top // 2, top - 3])
        page.click("#presets button[value=test]")
        shown = page.run("return benchmark().methods.map((one, i) => counts().at(i, null, chosen.level[i]).fpr)")
        assert shown == [pytest.approx(row.metrics["FPR95"], abs=1e-12) for row in made.results]
        page.set("#wipe", 80)
        assert page.run("return getComputedStyle(byId('pane-left')).clipPath") == "inset(0px 20% 0px 0px)"
        page.click("table.comparison thead th:nth-child(2) button")
        values = page.run(
            "return [...document.querySelectorAll('td[data-metric=AP]')].map((one) => Number(one.dataset.value))"
        )
        assert values == sorted((row.metrics["AP"] for row in made.results), reverse=True)
        frames = made.frames("road-anomaly-21")
        page.set("#find", frames[3])
        assert len(page.texts("#strip li")) == sum(frames[3] in frame for frame in frames)
        assert page.complaints() == []
        assert page.requests() == []
