"""A real network on real photographs, compared with figures of an independent program on the same files.

Each figure is AP / FPR95 / AUROC in percent. Images were resized to 1024 x 512 by cv2.INTER_LINEAR, scores or logits to
the labels' size likewise. All valid pixels were pooled.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from oodbench.runs.run import Run
from oodbench.workflows.run import run

CARD = Path(__file__).parents[1] / "docs" / "examples" / "erfnet-cityscapes.toml"
BENCHMARKS = ["road-anomaly-21", "road-anomaly"]

REFERENCE = {
    "score": {
        "road-anomaly-21": {
            "msp": (28.574, 66.804, 72.102),
            "max-logit": (39.861, 60.550, 78.594),
            "entropy": (30.730, 66.855, 72.917),
            "energy": (41.755, 60.336, 79.154),
        },
        "road-anomaly": {
            "msp": (12.589, 82.141, 60.805),
            "max-logit": (16.299, 74.401, 68.588),
            "entropy": (12.933, 82.266, 61.131),
            "energy": (17.050, 74.447, 69.258),
        },
    },
    "logits": {
        "road-anomaly-21": {
            "msp": (28.371, 66.997, 72.025),
            "max-logit": (39.715, 60.551, 78.570),
            "entropy": (30.632, 67.054, 72.844),
            "energy": (41.653, 60.344, 79.130),
        },
        "road-anomaly": {
            "msp": (12.546, 82.626, 60.650),
            "max-logit": (16.264, 74.401, 68.568),
            "entropy": (12.896, 82.695, 60.994),
            "energy": (17.018, 74.446, 69.237),
        },
    },
}

# Plain EM with diagonal covariances by scikit-learn on the same frames: AP and AUROC.
PLAIN_EM = {"road-anomaly-21": (39.01, 77.84), "road-anomaly": (12.23, 61.62)}


def real_run(real: Path, out: Path, **options: Any) -> Run:
    return run(
        models=[real / "models" / "erfnet-cityscapes.onnx"],
        model_cards=[CARD],
        benchmarks=BENCHMARKS,
        data=[real],
        id_data=[real / "cityscapes"],
        out=out,
        stop_after="evaluate",
        keep_scores="none",
        **options,
    )


def percent(made: Run) -> dict[tuple[str, str], tuple[float, float, float]]:
    values = {}
    for row in made.results:
        ap, fpr, auroc = (100 * (row.metrics[name] or 0) for name in ("AP", "FPR95", "AUROC"))
        values[row.benchmark, row.method] = (ap, fpr, auroc)
    return values


@pytest.mark.slow
@pytest.mark.parametrize("upsample", ["score", "logits"])
def test_logit_scores_equal_those_of_an_independent_program(real: Path, tmp_path: Path, upsample: Any) -> None:
    methods = ["msp", "max-logit", "entropy", "energy"]
    # Use a separate process, because the peak memory of this one includes other tests.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        made = process.submit(real_run, real, tmp_path / "run", upsample=upsample, methods=methods).result()
    found = percent(made)
    for benchmark, rows in REFERENCE[upsample].items():
        for method, expected in rows.items():
            assert found[benchmark, method] == pytest.approx(expected, abs=0.02)
    assert all((row.cost.peak_memory_mb or 0) < 2048 for row in made.results)


@pytest.mark.slow
def test_the_mixture_reaches_the_likelihood_of_plain_em(real: Path, tmp_path: Path) -> None:
    runs = [percent(real_run(real, tmp_path / f"{n}", methods=["gmm-posthoc"], seed=n)) for n in range(3)]
    for benchmark, (ap, auroc) in PLAIN_EM.items():
        assert median(found[benchmark, "gmm-posthoc"][0] for found in runs) >= ap - 1
        assert median(found[benchmark, "gmm-posthoc"][2] for found in runs) >= auroc - 1


@pytest.mark.slow
def test_incomplete_sets_cause_a_warning(real: Path, tmp_path: Path) -> None:
    made = run(
        models=[real / "models" / "erfnet-cityscapes.onnx"],
        model_cards=[CARD],
        benchmarks=["road-obstacle-21"],
        methods=["knn"],
        data=[real],
        id_data=[real / "cityscapes"],
        out=tmp_path / "run",
        stop_after="evaluate",
    )
    (row,) = made.results
    assert (row.layout, row.counts["frames"], row.counts["expected_frames"]) == ("course-material", 6, 30)
    assert "road-obstacle-21: 6 of 30 frames" in row.warnings
    assert "cityscapes train: 5 of 2975 frames" in row.warnings
    assert row.fit["absent_classes"] == ["truck", "bus", "train"]
