"""The last accepted run, kept in a small file, and whether today's run is worse. Imports nothing heavy."""

from oodbench.baseline.compare import Move, Verdict
from oodbench.baseline.gate import DEFAULT_TOLERANCES, Acceptance, accept, gate

__all__ = ["DEFAULT_TOLERANCES", "Acceptance", "Move", "Verdict", "accept", "gate"]
