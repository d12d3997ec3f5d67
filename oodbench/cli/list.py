"""`oodbench list`: what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.errors import UnknownNameError
from oodbench.registry import KINDS, Registry


def list_plugins(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}, protocols. All but protocols by default.")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(help="A Python file with plugins of your own.", metavar="FILE")
    ] = None,
) -> None:
    """List methods, benchmarks, datasets, models, reports and submissions."""
    if kind in ("protocol", "protocols"):
        _list_protocols()
        return
    registry = Registry(tuple(plugin or ()))
    if kind is not None and kind not in KINDS and f"{kind}s" not in KINDS:
        raise UnknownNameError("kind", kind, [*KINDS, "protocols"])
    wanted = list(KINDS) if kind is None else [kind if kind in KINDS else f"{kind}s"]
    for name in wanted:
        entries = registry.entries(name)
        if len(wanted) > 1:
            print(f"{name}:")
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            print(f"{'  ' if len(wanted) > 1 else ''}{entry.name:<{width}}  {entry.summary}")
    for warning in registry.warnings:
        make_progress().warn(warning)


def _list_protocols() -> None:
    from oodbench.metrics import PROTOCOLS

    width = max(map(len, PROTOCOLS))
    for name, protocol in PROTOCOLS.items():
        print(f"{name:<{width}}  {protocol.source}")
