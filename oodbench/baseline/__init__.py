"""The gate, which compares a run with the last accepted one.

Nothing here imports a large library.
"""

from oodbench.baseline.gate import Acceptance, accept, gate
from oodbench.baseline.verdict import Move, Verdict

__all__ = ["Acceptance", "Move", "Verdict", "accept", "gate"]
