"""oodbench: how well does a road-scene segmentation network know what it does not know?

import oodbench

run = oodbench.run(models=["network.onnx"], data=["downloads"], id_data=["cityscapes"])
run.table()                        # a pandas DataFrame
oodbench.load("runs/...").table()  # the same, later
oodbench.gate("runs/...", "baseline.json").passed  # whether nothing got worse than the accepted run
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Checked",
    "Prediction",
    "Run",
    "Submitted",
    "Verdict",
    "__version__",
    "check_submission",
    "evaluate_scores",
    "gate",
    "load",
    "merge",
    "predict",
    "run",
    "submit",
    "verify",
]

if TYPE_CHECKING:
    from oodbench.baseline import Verdict, gate
    from oodbench.pipeline import (
        Checked,
        Prediction,
        Run,
        Submitted,
        check_submission,
        evaluate_scores,
        load,
        merge,
        predict,
        run,
        submit,
        verify,
    )


def __getattr__(name: str) -> Any:
    if name in {"Verdict", "gate"}:
        from oodbench import baseline

        return getattr(baseline, name)
    if name in __all__:
        # Importing the pipeline takes torch, seconds; `oodbench --help` must not pay for it.
        from oodbench import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'oodbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
