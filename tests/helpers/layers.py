"""The layers of the package: the import test holds them and tools/architecture_picture.py draws them."""

from __future__ import annotations

LAYERS = (
    {"types", "errors", "frozen_record", "validation", "progress"},
    {"class_sets"},
    {"contracts"},
    {"files", "compiled", "environment", "stopping", "regions"},
    {"user_code"},
    {"baseline", "registry", "metrics", "mixture", "numerics", "data", "visualization", "worlds", "published_results"},
    {"blending"},
    {"segmenters"},
    {"planning"},
    {"storage"},
    {"stages"},
    {"runs"},
    {"workflows", "training", "testing"},
    {"api"},
    {"skeletons"},
    {"cli"},
)
"""Each layer may import itself, those before it, and nothing else of the package."""

PLUGIN_FOLDERS = ("methods", "benchmarks", "reports")
"""Folders that the registry reads. Nothing in the harness imports them."""

FOR_PLUGINS = {
    "types",
    "class_sets",
    "errors",
    "validation",
    "contracts",
    "files",
    "regions",
    "metrics",
    "mixture",
    "numerics",
    "data",
    "visualization",
    "worlds",
    "blending",
}
"""The parts of the package that plugins may import."""
