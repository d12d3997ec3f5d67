"""`oodbench list`: the names of methods, benchmarks, datasets, models, reports, submissions and protocols."""

from __future__ import annotations

from typing import Annotated

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import Plugins
from oodbench.errors import UnknownNameError
from oodbench.registry import KINDS, Registry


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(help=f"Kind: {', '.join(KINDS)} or protocols. By default all except protocols.", metavar="KIND"),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """List methods, benchmarks, datasets, models, heads, reports, submissions or protocols."""
    if kind in ("protocol", "protocols"):
        _list_protocols()
        return
    registry = Registry(tuple(plugin or ()))
    if kind is not None and kind not in KINDS and f"{kind}s" not in KINDS:
        raise UnknownNameError("kind", kind, [*KINDS, "protocols"])
    selected_kinds = list(KINDS) if kind is None else [kind if kind in KINDS else f"{kind}s"]
    for name in selected_kinds:
        entries = registry.entries(name)
        if len(selected_kinds) > 1:
            print(f"{name}:")
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            print(f"{'  ' if len(selected_kinds) > 1 else ''}{entry.name:<{width}}  {entry.summary}")
    if selected_kinds == ["models"]:
        _list_published()
    for warning in registry.warnings:
        make_progress().warn(warning)


def _list_published() -> None:
    from oodbench.segmenters.published_networks import published_networks

    print("\npublished networks, which are not bundled with oodbench:")
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
