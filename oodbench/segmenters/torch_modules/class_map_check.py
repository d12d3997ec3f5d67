"""Check that class maps are of the declared kind."""

from __future__ import annotations

from oodbench.types import ClassMaps

# Tolerance that also accepts posteriors computed in half precision.
_ROUNDING = 1e-3


def find_kind_problem(maps: ClassMaps) -> str:
    """Return a text about how the values contradict their kind, or an empty text. Logits may have any value."""
    values = maps.values
    if maps.kind != "logits" and float(values.min()) < -_ROUNDING:
        return f"a value of {float(values.min()):.4g}; expected none below 0"
    if maps.kind == "posteriors":
        total = values.sum(dim=1)
        if float((total - 1).abs().max()) > _ROUNDING:
            return f"totals over the classes from {float(total.min()):.4g} to {float(total.max()):.4g}; expected 1"
    return ""
