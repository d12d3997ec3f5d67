"""The last accepted run, kept in a small file, and whether today's run is worse. Imports nothing heavy."""

from oodbench.baseline.gate import Acceptance, accept, gate
from oodbench.baseline.verdict import Move, Verdict

__all__ = ["Acceptance", "Move", "Verdict", "accept", "gate"]
