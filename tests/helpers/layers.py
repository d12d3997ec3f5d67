"""Layers of the package, which the import test checks and tools/architecture_picture.py draws."""

from __future__ import annotations

LAYERS = (
    {"text"},
    {"types", "errors", "frozen_record", "validation", "progress"},
    {"class_sets"},
    {"contracts"},
    {"threads"},
    {"files", "compiled", "environment", "out_of_memory", "stopping", "regions"},
    {"user_code", "locked_folders"},
    {"baseline", "registry", "metrics", "mixture", "numerics", "data", "visualization", "worlds", "published_results"},
    {"blending"},
    {"segmenters"},
    {"planning"},
    {"storage"},
    {"stages"},
    {"executors"},
    {"runs"},
    {"workflows", "training", "testing"},
    {"api", "listing"},
    {"skeletons"},
    {"cli"},
)
"""Layers in order. A layer may import only itself and the layers before it."""

PLUGIN_FOLDERS = ("methods", "benchmarks", "reports")
"""Folders that the registry reads. No other module of the package imports them."""

FOR_PLUGINS = {
    "types",
    "class_sets",
    "errors",
    "validation",
    "text",
    "contracts",
    "files",
    "regions",
    "threads",
    "metrics",
    "mixture",
    "numerics",
    "data",
    "visualization",
    "worlds",
    "blending",
}
"""Parts of the package that plugins may import."""
