"""oodbench: how well does a road-scene segmentation network know what it does not know?

import oodbench

run = oodbench.run(models=["network.onnx"], data=["downloads"], id_data=["cityscapes"])
run.table()                        # a pandas DataFrame
oodbench.load("runs/...").table()  # the same, later
oodbench.gate("runs/...", "baseline.json").passed  # whether nothing got worse than the accepted run
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Prediction": "oodbench.workflows.predict",
    "Run": "oodbench.runs.run",
    "SubmissionResult": "oodbench.workflows.submit",
    "Verdict": "oodbench.baseline",
    "VerificationCheck": "oodbench.runs.verify",
    "check_submission": "oodbench.workflows.submit",
    "evaluate_scores": "oodbench.workflows.evaluate_scores",
    "gate": "oodbench.baseline",
    "load": "oodbench.runs.run",
    "merge": "oodbench.workflows.merge",
    "predict": "oodbench.workflows.predict",
    "run": "oodbench.workflows.run",
    "submit": "oodbench.workflows.submit",
    "verify": "oodbench.runs.verify",
}
"""Public name -> module. Importing these takes seconds (torch), and `oodbench --help` must not pay for it."""

__all__ = ["__version__", *_PUBLIC]  # names of the literal above

if TYPE_CHECKING:
    from oodbench.baseline import Verdict as Verdict
    from oodbench.baseline import gate as gate
    from oodbench.runs.run import Run as Run
    from oodbench.runs.run import load as load
    from oodbench.runs.verify import VerificationCheck as VerificationCheck
    from oodbench.runs.verify import verify as verify
    from oodbench.workflows.evaluate_scores import evaluate_scores as evaluate_scores
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
    raise AttributeError(f"module 'oodbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
