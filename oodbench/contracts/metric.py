"""The registry of metrics: each number that a table can show, declared once.

Tables, comparisons, baselines and the gate take names, directions, units, titles and tolerances from here. To add a
column, add its `MetricSpec` to `_SPECS`, or a field to `Cost`, and measure its number where results are made
(`oodbench.stages.evaluate`).

The registry is in `oodbench.contracts`, because `oodbench gate` and the baseline files read it. They must not wait for
numpy, which `oodbench.metrics` imports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache
from typing import Any, Literal, TypeAlias

from oodbench.contracts.protocol import Protocol
from oodbench.contracts.result import Cost, Result
from oodbench.contracts.uncertainty import Bracket
from oodbench.errors import UnknownNameError

MetricGroup: TypeAlias = Literal["anomaly", "closed-set", "cost"]
"""The group of a metric. `anomaly`: anomaly detection of a method on a benchmark. `closed-set`: segmentation quality of
a network on labelled in-distribution frames. `cost`: time and memory of a method on a benchmark."""

MetricUnit: TypeAlias = Literal["percent", "ms", "s", "count", "MB"]
"""The unit in which tables print a number. Numbers in `percent` are stored as fractions."""

Quality: TypeAlias = Mapping[str, Any]
"""The segmentation quality of one network, such as mIoU, by name; empty if it was not measured."""

ReadMetric: TypeAlias = Callable[[Result, Quality], "float | None"]

AT_ID95 = "@ID95"
"""Suffix in the name of a metric at a threshold that is chosen without the benchmark's labels. The threshold is the
score which 95 % of the pixels of in-distribution frames do not exceed."""

COMPONENT_METRICS = ("sIoU", "PPV", "F1*")
"""Names of the metrics of whole objects, without the suffix `@ID95` for the threshold."""

# Factor and decimals by unit.
_PRINTED: Mapping[MetricUnit, tuple[int, int]] = {
    "percent": (100, 2),
    "ms": (1, 1),
    "s": (1, 1),
    "count": (1, 0),
    "MB": (1, 0),
}


@dataclass(frozen=True)
class MetricSpec:
    """The declaration of a metric, which is a number that tables can show.

    Attributes:
        name: The name in records and in CSV files.
        title: The head of the metric's column in tables.
        group: The group: `anomaly` (detection of anomalies), `closed-set` (segmentation quality) or `cost`.
        description: A description in one line.
        read: Function that returns the metric from a result and the segmentation quality of its network; None if the
            metric is undefined.
        higher_is_better: Whether higher values are better.
        unit: The unit in which tables print the metric.
        gate_tolerance: Percentage points by which the metric may get worse in `oodbench gate` by default. None: the
            metric has no default tolerance.

    Examples:
        >>> from oodbench.contracts import metric_spec
        >>> spec = metric_spec("FPR95")
        >>> spec.higher_is_better, spec.unit, spec.format(0.1234)
        (False, 'percent', '12.34')
    """

    name: str
    title: str
    group: MetricGroup
    description: str
    read: ReadMetric
    higher_is_better: bool
    unit: MetricUnit = "percent"
    gate_tolerance: float | None = None

    @property
    def sign(self) -> int:
        """1 if higher values are better, otherwise -1."""
        return 1 if self.higher_is_better else -1

    @property
    def arrow(self) -> str:
        """An arrow: up if higher values are better, otherwise down."""
        return "↑" if self.higher_is_better else "↓"

    def format(self, value: float) -> str:
        """Return a value of the metric as tables print it: in the metric's unit, without the name of the unit.

        Args:
            value: The value as it is stored; a fraction if the unit is `percent`.
        """
        factor, decimals = _PRINTED[self.unit]
        return f"{factor * value:.{decimals}f}"

    def format_bracket(self, bracket: Bracket) -> str:
        """Return a bracket as tables print it: in the metric's unit, rounded outwards, with one more decimal.

        Args:
            bracket: The lower and the upper bound as they are stored; fractions if the unit is `percent`.

        Examples:
            >>> from oodbench.contracts import metric_spec
            >>> metric_spec("AP").format_bracket((0.309361, 0.309438))
            '[30.936, 30.944]'
        """
        factor, decimals = _PRINTED[self.unit]
        step = Decimal(1).scaleb(-decimals - 1)
        low, high = (factor * Decimal(repr(end)) for end in bracket)
        return f"[{low.quantize(step, ROUND_FLOOR)}, {high.quantize(step, ROUND_CEILING)}]"


def _anomaly(name: str, higher_is_better: bool, description: str, gate_tolerance: float | None = None) -> MetricSpec:
    def read(result: Result, quality: Quality) -> float | None:
        return result.metrics.get(name)

    return MetricSpec(name, name, "anomaly", description, read, higher_is_better, gate_tolerance=gate_tolerance)


def _closed_set(key: str, name: str, higher_is_better: bool, description: str) -> MetricSpec:
    def read(result: Result, quality: Quality) -> float | None:
        return quality.get(key)

    return MetricSpec(name, name, "closed-set", description, read, higher_is_better)


def _cost(part: Field[Any]) -> MetricSpec:
    """Return the column of a measured cost, declared at the field that stores it."""

    def read(result: Result, quality: Quality) -> float | None:
        value: float | None = getattr(result.cost, part.name)
        return value

    about = part.metadata
    title, description, unit = about["title"], about["description"], about["unit"]
    return MetricSpec(part.name, title, "cost", description, read, higher_is_better=False, unit=unit)


def _method_ms(result: Result, quality: Quality) -> float | None:
    parts = [result.cost.summary_ms, result.cost.score_ms]
    return sum(value or 0 for value in parts) if any(value is not None for value in parts) else None


def _cost_specs() -> Iterator[MetricSpec]:
    """Yield the columns of the measured costs, and their sum after the two parts of a method's cost."""
    for part in fields(Cost):
        yield _cost(part)
        if part.name == "score_ms":
            about = "cost of the method in addition to the network, summary and scoring"
            yield MetricSpec("method_ms", "Method, ms", "cost", about, _method_ms, higher_is_better=False, unit="ms")


_OBJECTS = {
    "sIoU": "overlap of each object with the predictions that touch it, mean over objects",
    "PPV": "share of each predicted component that is inside objects, mean over components",
    "F1*": "F1 of objects and predicted components, mean over the thresholds 0.25, 0.30, ..., 0.75 on their overlap",
}

_SPECS = (
    _anomaly("AP", True, "average precision", gate_tolerance=1.0),
    _anomaly("FPR95", False, "false positive rate at a true positive rate of 95 %", gate_tolerance=2.0),
    _anomaly("AUROC", True, "area under the ROC curve"),
    *(
        _anomaly(name + suffix, True, _OBJECTS[name] + where)
        for suffix, where in {"": "", AT_ID95: "; at the score that 95 % of calibration pixels do not exceed"}.items()
        for name in COMPONENT_METRICS
    ),
    _closed_set("miou", "mIoU", True, "intersection over union, mean over the classes that occur"),
    _closed_set("ece", "ECE", False, "expected calibration error"),
    *_cost_specs(),
)  # fmt: skip

METRICS: dict[str, MetricSpec] = {spec.name: spec for spec in _SPECS}
"""The declarations of all metrics by name, in the order of the columns of tables."""

_OTHER_FPR = re.compile(r"FPR\d+(\.\d+)?")


def metric_spec(name: str) -> MetricSpec:
    """Return the declaration of a metric.

    Names such as `FPR90` are valid, too, because rules of evaluation may use a true positive rate other than 95 %.

    Args:
        name: The name of the metric, as in results.

    Returns:
        The declaration of the metric: title, direction, unit, tolerance.

    Raises:
        UnknownNameError: No metric has this name.

    Examples:
        >>> from oodbench.contracts import metric_spec
        >>> metric_spec("AP").description, metric_spec("FPR90").higher_is_better
        ('average precision', False)
    """
    if name in METRICS:
        return METRICS[name]
    if _OTHER_FPR.fullmatch(name):
        return _other_fpr(name)
    raise UnknownNameError("metric", name, METRICS)


@cache
def _other_fpr(name: str) -> MetricSpec:
    rate = name.removeprefix("FPR")
    return _anomaly(name, METRICS["FPR95"].higher_is_better, f"false positive rate at a true positive rate of {rate} %")


def metrics_of(group: MetricGroup) -> list[MetricSpec]:
    """Return the declarations of one group of metrics.

    Args:
        group: `anomaly` (detection of anomalies), `closed-set` (segmentation quality) or `cost` (time and memory).

    Returns:
        The declarations in the order of the columns of tables.

    Examples:
        >>> from oodbench.contracts import metrics_of
        >>> [spec.name for spec in metrics_of("closed-set")]
        ['mIoU', 'ECE']
    """
    return [spec for spec in METRICS.values() if spec.group == group]


def default_tolerances() -> dict[str, float]:
    """Return the default tolerances: how much metrics may get worse before `oodbench gate` fails.

    The tolerances are set by judgement: the loss that a team may accept. The variation between seeds is not part of
    them; `oodbench.accept` can measure it.

    Returns:
        Maps each metric to the percentage points by which it may get worse.

    Examples:
        >>> from oodbench.contracts import default_tolerances
        >>> default_tolerances()
        {'AP': 1.0, 'FPR95': 2.0}
    """
    return {spec.name: spec.gate_tolerance for spec in METRICS.values() if spec.gate_tolerance is not None}


PIXEL_METRICS = Protocol("", "").pixel_metrics
"""Names of the metrics of pixels: average precision, false positive rate at 95 % true positive rate, AUROC."""
