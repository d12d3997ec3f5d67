"""Gaussian mixtures for classes: density, responsibilities, estimation. Mathematics in torch; no files, no networks."""

from oodbench.mixture.density import ClassMixtures
from oodbench.mixture.em import fit_components
from oodbench.mixture.sinkhorn import balanced_responsibilities

__all__ = ["ClassMixtures", "balanced_responsibilities", "fit_components"]
