"""The named protocols."""

from __future__ import annotations

from collections.abc import Mapping

from oodbench.contracts import Protocol

POOLED = Protocol("pooled")
"""All valid pixels in one pool, exact: Fishyscapes' rules (hermannsblum/fishyscapes, eval.py)."""

PROTOCOLS: Mapping[str, Protocol] = {POOLED.name: POOLED}
