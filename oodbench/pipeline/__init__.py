"""The five stages, and what they share: plan, fit, calibrate, score, evaluate; then the reports."""

from oodbench.pipeline.given import evaluate_scores
from oodbench.pipeline.merge import merge
from oodbench.pipeline.predict import Prediction, predict
from oodbench.pipeline.run import run
from oodbench.pipeline.submit import Submitted, check_submission, submit
from oodbench.pipeline.verify import Checked, verify
from oodbench.pipeline.view import Run, load

__all__ = [
    "Checked",
    "Prediction",
    "Run",
    "Submitted",
    "check_submission",
    "evaluate_scores",
    "load",
    "merge",
    "predict",
    "run",
    "submit",
    "verify",
]
