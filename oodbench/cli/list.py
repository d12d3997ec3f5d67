"""`oodbench list`: what there is."""

from __future__ import annotations

from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import Plugins
from oodbench.errors import UnknownNameError
from oodbench.registry import KINDS, Registry


def list_plugins(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of: {', '.join(KINDS)}, protocols. All but protocols by default.")
    ] = None,
    plugin: Plugins = None,
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
    if wanted == ["models"]:
        _list_published()
    for warning in registry.warnings:
        make_progress().warn(warning)


def _list_published() -> None:
    from oodbench.segmenters.published_networks import published_networks

    print("\nnetworks that others published, none of which comes with the program:")
    for network in published_networks():
        facts = network.facts()
        width = max(map(len, facts))
        print(f"\n{network.name}: {network.title}")
        for heading, fact in facts.items():
            print(f"  {heading:<{width}}  {fact}")


def _list_protocols() -> None:
    from oodbench.metrics import PROTOCOLS

    width = max(map(len, PROTOCOLS))
    for name, protocol in PROTOCOLS.items():
        print(f"{name:<{width}}  {protocol.source}")
