"""A toolkit that measures the anomaly segmentation of road-scene networks.

The public names are those that this package lists, and those that `oodbench.metrics`, `oodbench.contracts`,
`oodbench.types`, `oodbench.errors`, `oodbench.data`, `oodbench.numerics` and `oodbench.testing` list.

Examples:
    >>> import numpy as np
    >>> from torch import nn
    >>> import oodbench
    >>> segmenter = oodbench.TorchSegmenter(nn.Conv2d(3, 19, 1), classes="cityscapes-19", normalize="imagenet")
    >>> image = np.zeros((4, 6, 3), np.uint8)  # red first
    >>> score_map = oodbench.Scorer("energy", segmenter)(image)  # float32 [H, W], higher = more anomalous
    >>> labels = np.eye(4, 6, dtype=np.uint8)  # 0 in-distribution, 1 anomaly, 255 void
    >>> 0 < oodbench.metrics.average_precision(score_map, labels) <= 1
    True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Prediction": "oodbench.workflows.predict",
    "Run": "oodbench.runs.run",
    "RunStatus": "oodbench.runs.completion.records",
    "Scorer": "oodbench.api",
    "SubmissionResult": "oodbench.workflows.submit",
    "TorchSegmenter": "oodbench.segmenters.torch_modules.segmenter",
    "Verdict": "oodbench.baseline",
    "VerificationCheck": "oodbench.runs.verification.check",
    "accept": "oodbench.baseline",
    "check_submission": "oodbench.workflows.submit",
    "compare": "oodbench.api",
    "create_method": "oodbench.api",
    "evaluate_scores": "oodbench.workflows.evaluate_scores",
    "export_scores": "oodbench.workflows.export",
    "gate": "oodbench.baseline",
    "list_benchmarks": "oodbench.listing",
    "list_datasets": "oodbench.listing",
    "list_methods": "oodbench.listing",
    "list_models": "oodbench.listing",
    "list_protocols": "oodbench.listing",
    "list_reports": "oodbench.listing",
    "list_submissions": "oodbench.listing",
    "load": "oodbench.runs.load",
    "load_benchmark": "oodbench.api",
    "load_dataset": "oodbench.api",
    "load_segmenter": "oodbench.api",
    "merge": "oodbench.workflows.merge",
    "predict": "oodbench.workflows.predict",
    "run": "oodbench.workflows.run",
    "status": "oodbench.runs.status",
    "submit": "oodbench.workflows.submit",
    "verify": "oodbench.runs.verify",
}
"""Maps each public name to its module. They are imported late, because torch takes seconds to import."""

_PACKAGES = ("contracts", "errors", "metrics", "testing", "types")
"""Public packages that are imported when they are first used."""

__all__ = ["__version__", *_PUBLIC, *_PACKAGES]  # names of the literals above

if TYPE_CHECKING:
    from oodbench import contracts as contracts
    from oodbench import errors as errors
    from oodbench import metrics as metrics
    from oodbench import testing as testing
    from oodbench import types as types
    from oodbench.api import Scorer as Scorer
    from oodbench.api import compare as compare
    from oodbench.api import create_method as create_method
    from oodbench.api import load_benchmark as load_benchmark
    from oodbench.api import load_dataset as load_dataset
    from oodbench.api import load_segmenter as load_segmenter
    from oodbench.baseline import Verdict as Verdict
    from oodbench.baseline import accept as accept
    from oodbench.baseline import gate as gate
    from oodbench.listing import list_benchmarks as list_benchmarks
    from oodbench.listing import list_datasets as list_datasets
    from oodbench.listing import list_methods as list_methods
    from oodbench.listing import list_models as list_models
    from oodbench.listing import list_protocols as list_protocols
    from oodbench.listing import list_reports as list_reports
    from oodbench.listing import list_submissions as list_submissions
    from oodbench.runs.completion.records import RunStatus as RunStatus
    from oodbench.runs.load import load as load
    from oodbench.runs.run import Run as Run
    from oodbench.runs.status import status as status
    from oodbench.runs.verification.check import VerificationCheck as VerificationCheck
    from oodbench.runs.verify import verify as verify
    from oodbench.segmenters.torch_modules.segmenter import TorchSegmenter as TorchSegmenter
    from oodbench.workflows.evaluate_scores import evaluate_scores as evaluate_scores
    from oodbench.workflows.export import export_scores as export_scores
    from oodbench.workflows.merge import merge as merge
    from oodbench.workflows.predict import Prediction as Prediction
    from oodbench.workflows.predict import predict as predict
    from oodbench.workflows.run import run as run
    from oodbench.workflows.submit import SubmissionResult as SubmissionResult
    from oodbench.workflows.submit import check_submission as check_submission
    from oodbench.workflows.submit import submit as submit


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"oodbench.{name}")
    raise AttributeError(f"module 'oodbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
