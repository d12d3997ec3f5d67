"""The registry of metrics: its declarations, which cover all measured metrics."""

from __future__ import annotations

import pytest

from oodbench.contracts import METRICS, PIXEL_METRICS, Protocol, default_tolerances, metric_spec, metrics_of
from oodbench.errors import UnknownNameError
from oodbench.metrics import DEFAULT_PROTOCOL, PROTOCOLS
from oodbench.testing.fake_run import make_result

QUALITY = {"miou": 0.75, "ece": 0.05}
COST = {"forward_ms": 10.0, "summary_ms": 1.5, "score_ms": 2.0, "fit_s": 0.5, "peak_memory_mb": 512.0}


def test_metrics_have_names_titles_and_descriptions() -> None:
    for name, spec in METRICS.items():
        assert name == spec.name
        assert spec.title.strip()
        assert spec.description.strip()
        assert spec.group in ("anomaly", "closed-set", "cost")
    assert len({spec.title for spec in METRICS.values()}) == len(METRICS)


def test_every_metric_of_a_protocol_is_declared() -> None:
    assert DEFAULT_PROTOCOL in PROTOCOLS
    for protocol in PROTOCOLS.values():
        assert [metric_spec(name).group for name in protocol.pixel_metrics] == ["anomaly"] * 3
    assert PROTOCOLS["pooled"].pixel_metrics == PIXEL_METRICS == ("AP", "FPR95", "AUROC")
    assert [name for name, protocol in PROTOCOLS.items() if protocol.is_pooled] == ["pooled"]


def test_each_metric_reads_its_value() -> None:
    row = make_result("msp", 0.25, 0.5, cost=COST)
    numbers = {name: spec.read(row, QUALITY) for name, spec in METRICS.items()}
    assert {name: value for name, value in numbers.items() if value is not None} == {
        "AP": 0.25, "FPR95": 0.5, "mIoU": 0.75, "ECE": 0.05, **COST, "method_ms": 3.5,
    }  # fmt: skip
    bare = make_result("msp", 0.25, 0.5, cost={"summary_ms": None, "score_ms": None})
    assert METRICS["method_ms"].read(bare, {}) is None
    assert METRICS["mIoU"].read(bare, {}) is None


@pytest.mark.parametrize(
    ("name", "value", "text", "sign", "arrow"),
    [
        ("AP", 0.123456, "12.35", 1, "↑"),
        ("FPR95", 1.0, "100.00", -1, "↓"),
        ("forward_ms", 12.34, "12.3", -1, "↓"),
        ("peak_memory_mb", 1023.6, "1024", -1, "↓"),
        ("FPR90", 0.5, "50.00", -1, "↓"),
        ("FPR99.5", 0.5, "50.00", -1, "↓"),
    ],
)
def test_each_metric_has_a_unit_and_a_direction(name: str, value: float, text: str, sign: int, arrow: str) -> None:
    spec = metric_spec(name)
    assert (spec.format(value), spec.sign, spec.arrow) == (text, sign, arrow)
    assert spec == metric_spec(name)


@pytest.mark.parametrize("name", ["ap", "FPR", "FPR95%", "AUPR"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(UnknownNameError, match="metric"):
        metric_spec(name)


def test_another_recall_has_another_name() -> None:
    protocol = Protocol("mine", "a text", tpr=0.9)
    assert protocol.pixel_metrics == ("AP", "FPR90", "AUROC")
    assert protocol.is_pooled
    assert not Protocol("mine", "a text", fpr="nearest").is_pooled


def test_only_anomaly_metrics_gate() -> None:
    assert default_tolerances() == {"AP": 1.0, "FPR95": 2.0}
    assert set(default_tolerances()) <= {spec.name for spec in metrics_of("anomaly")}
