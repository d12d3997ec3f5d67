"""The five stages, and what they share: plan, fit, calibrate, score, evaluate; then the reports."""

from oodbench.pipeline.merge import merge
from oodbench.pipeline.run import run
from oodbench.pipeline.view import Run, load

__all__ = ["Run", "load", "merge", "run"]
