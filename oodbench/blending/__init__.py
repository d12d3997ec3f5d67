"""Anomalies composited into photographs of streets."""

from oodbench.blending.cutout import read_cutouts
from oodbench.blending.manifest import MANIFEST, VERSION, Manifest, read_manifest
from oodbench.blending.write import BlendSummary, write_blends

__all__ = ["MANIFEST", "VERSION", "BlendSummary", "Manifest", "read_cutouts", "read_manifest", "write_blends"]
