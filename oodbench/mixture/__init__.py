"""Gaussian mixtures, one per class.

All functions use torch. None of them opens a file or depends on a network.
"""

from oodbench.mixture.density import ClassMixtures, component_log_density
from oodbench.mixture.em import fit_components
from oodbench.mixture.memory import Memory
from oodbench.mixture.online import OnlineMixture
from oodbench.mixture.presets import AUTHORS, PAPER, PRESETS, OnlineOptions
from oodbench.mixture.sinkhorn import balanced_responsibilities

__all__ = [
    "AUTHORS",
    "PAPER",
    "PRESETS",
    "ClassMixtures",
    "Memory",
    "OnlineMixture",
    "OnlineOptions",
    "balanced_responsibilities",
    "component_log_density",
    "fit_components",
]
