"""`oodbench info`: details of one method, benchmark, dataset, head, report, submission or model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from oodbench.cli.console import make_progress
from oodbench.cli.options import Checkpoint, Device, ModelCard, Plugins
from oodbench.errors import UnknownNameError, UsageError
from oodbench.files import expand_home
from oodbench.registry import KINDS, Registry
from oodbench.text import count_noun


def info(
    kind: Annotated[
        str, typer.Argument(help="Kind: method, benchmark, dataset, head, report, submission or model.", metavar="KIND")
    ],
    name: Annotated[str, typer.Argument(help="Name of the plugin. For a model, its name or file.", metavar="NAME")],
    checkpoint: Checkpoint = None,
    model_card: ModelCard = None,
    id_data: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that is searched for a dataset of labelled frames, or NAME=DIR, the folder of the dataset "
            "NAME. The model's mIoU, accuracy, confidence and ECE are measured on the dataset. Repeatable.",
            metavar="DIR|NAME=DIR",
        ),
    ] = None,
    id_limit: Annotated[
        int, typer.Option(help="Maximum number of frames of the dataset; they are selected evenly.", metavar="N")
    ] = 20,
    device: Device = "auto",
    plugin: Plugins = None,
) -> None:
    """Show details of one method, benchmark, dataset, head, report, submission or model."""
    registry = Registry(tuple(plugin or ()))
    plural = kind if kind in KINDS else f"{kind}s"
    if plural not in KINDS:
        raise UnknownNameError("kind", kind, [name.removesuffix("s") for name in KINDS])
    if plural == "models":
        _print_model(registry, name, model_card, checkpoint, id_data or [], id_limit, device)
        return
    loaded = registry.load(plural, name)
    facts = {
        field.name.replace("_", " "): getattr(loaded.card, field.name) for field in dataclasses.fields(loaded.card)
    }
    archives = facts.pop("archives", ())
    if archives:
        facts["archives"] = {archive.name: str(archive) for archive in archives}
    if facts.get("classes"):
        facts["classes"] = f"{facts['classes'].name}: {', '.join(facts['classes'].names)}"
    _print(facts)
    if plural in ("methods", "heads", "submissions"):
        fields = loaded.Params.model_fields
        print("parameters" if fields else "parameters  none")
        for key, field in fields.items():
            print(f"  {key}={field.default}  {field.description or ''}")


def _print_model(
    registry: Registry,
    source: str,
    card: Path | None,
    checkpoint: Path | None,
    id_data: list[str],
    limit: int,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    from oodbench.planning.request import data_roots
    from oodbench.planning.resolve import ModelSource, find_in_distribution, take_evenly
    from oodbench.stages.quality import measure_quality, quality_warnings
    from oodbench.stages.trial import try_network

    files = (str(path) if path else None for path in (card, checkpoint))
    network = ModelSource(expand_home(source), *files).open(registry, device)
    _print(network.describe())
    progress = make_progress()
    _print({"outputs for an image of 128x256 pixels": try_network(network, progress.warn)})
    if not id_data:
        return
    if network.capabilities.class_maps is None:
        raise UsageError(
            f"{source}: its model card declares no class maps, so the mIoU can't be measured",
            "Declare outputs.class_maps in the model card, or omit --id-data.",
        )
    _, roots = data_roots([], id_data)
    _, part = find_in_distribution(registry, roots, network.classes)
    quality = measure_quality(network, take_evenly(part.found, limit).frames, progress)
    print(f"measured on {part.name} {part.split}, {count_noun(quality['frames'], 'frame')}")
    print(f"  mIoU             {quality['miou']:.4f}")
    print(f"  accuracy         {quality['accuracy']:.4f}")
    print(f"  mean confidence  {quality['mean_confidence']:.4f}")
    print(f"  ECE              {quality['ece']:.4f}")
    for warning in quality_warnings(network.name, quality, network.expected):
        progress.warn(warning)


def _print(facts: Mapping[str, Any], indent: str = "") -> None:
    width = max(map(len, facts), default=0)
    for key, value in facts.items():
        if isinstance(value, Mapping):
            print(f"{indent}{key}")
            _print({str(name): part for name, part in value.items()}, indent + "  ")
        else:
            print(f"{indent}{key:<{width}}  {_format_fact(value)}".rstrip())


def _format_fact(value: Any) -> str:
    """Return a fact in words: yes or no, lists with commas, records as `name value`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return ", ".join(f"{name} {part}" for name, part in dataclasses.asdict(value).items())
    return "" if value is None else str(value)
